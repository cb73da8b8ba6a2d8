"""A run: a recipe put together, trained and measured.

Set up, train, evaluate: one function each, which the command line and every
study use. Names are imported when first used.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "ArmOptions": "recipe",
    "InitOptions": "recipe",
    "Recipe": "recipe",
    "RecipeOptions": "recipe",
    "SCALES": "building",
    "SetUp": "setup",
    "Training": "training_tables",
    "TrainingOptions": "training_tables",
    "build_from_recipe": "building",
    "check_recipe": "recipe_files",
    "check_same_kind": "first_towers",
    "check_same_words": "first_towers",
    "describe_run": "run_training",
    "evaluate_run": "run_evaluation",
    "from_data": "data_facts",
    "heads_of": "building",
    "in_file": "recipe_files",
    "load_for": "setup",
    "open_data": "run_evaluation",
    "open_recipe": "recipe_files",
    "read_init": "recipe",
    "read_recipe": "recipe",
    "read_training": "training_tables",
    "recipe_of": "run_evaluation",
    "reference": "recipe_reference",
    "save_trained": "run_training",
    "say_dropped": "run_evaluation",
    "set_up": "setup",
    "set_up_run": "setup",
    "show_recipe": "recipe_files",
    "smaller": "building",
    "spec_of_data": "recipe_files",
    "take_towers": "first_towers",
    "train": "run_training",
    "train_run": "run_training",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
