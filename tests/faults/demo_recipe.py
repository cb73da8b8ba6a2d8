"""A recipe for the demo set that is trained in seconds, many times."""

# Text to `format` with the number of epochs.
RECIPE = """
[towers.image]
filters = 4
depth = 1
units = 8
[towers.audio]
units = 8
mel_bands = 16
width = 8
depth = 1
[towers.text]
variant = "bag"
units = 8
[fusion]
method = "concat"
units = 8
[training]
batch_size = 8
tensorboard = false
checkpoint_share = 1.0
[training.full]
epochs = {epochs}
"""
