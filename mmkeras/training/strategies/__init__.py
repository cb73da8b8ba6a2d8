"""The strategies: how a model of several towers is trained."""

from mmkeras.front_doors import front_door

_HOME = {
    "BlendWeights": "blend_weights",
    "blended_model": "blending",
    "mean_loss": "blend_weights",
    "weights_of_losses": "blend_weights:blend_weights",
    "with_copies": "blending",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
