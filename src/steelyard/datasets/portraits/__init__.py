"""Portraits: faces of the synthetic world, for generators and for classifiers of attributes.

`settings` has the dials, `truth` the probabilities they mean, `head` and `wearing` draw, `painting` makes a picture,
`portraits` puts it together, `world_file` opens it by a YAML file or a word. Only the picture's modules need OpenCV.
"""

from steelyard.datasets.portraits.portraits import Portraits
from steelyard.datasets.portraits.settings import ATTRIBUTES, SKEWED, PortraitsSettings
from steelyard.datasets.portraits.truth import PortraitsTruth

__all__ = ["ATTRIBUTES", "SKEWED", "Portraits", "PortraitsSettings", "PortraitsTruth"]
