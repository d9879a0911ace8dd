"""Scenes: the synthetic world that makes every job run anywhere.

`settings` has the dials, `truth` the probabilities they mean, `drawing` draws what each image holds, `painting` and the
modules below it (`room`, `person`, `face`, `objects`, `pen`) make the picture, `scenes` puts it together, `world_file`
opens it by a YAML file. Only the modules of the picture need OpenCV.
"""

from steelyard.datasets.scenes.rendered import Rendered
from steelyard.datasets.scenes.scenes import Scenes
from steelyard.datasets.scenes.settings import Looks, ScenesSettings
from steelyard.datasets.scenes.truth import ScenesTruth

__all__ = ["Looks", "Rendered", "Scenes", "ScenesSettings", "ScenesTruth"]
