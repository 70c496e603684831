"""What is in a plate, and what is wrong with it."""

from unstained.plates.overlaps import Overlap, common_ground, overlapping_fields
from unstained.plates.registration import ChannelShift, channel_shift

__all__ = ["ChannelShift", "Overlap", "channel_shift", "common_ground", "overlapping_fields"]
