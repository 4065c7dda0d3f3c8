"""The numbers of docs/spec/rejections.md that this program gives, and their names."""

UNKNOWN_DEVICE, WRONG_KEY_TYPE, BAD_SIGNATURE, NOT_ACTIVE = 9, 10, 11, 12
ANCHOR_FROM_FUTURE, ANCHOR_TOO_OLD, ANCHOR_UNKNOWN = 13, 14, 15
BACK_DATED, FUTURE_DATED, MOVED = 16, 17, 18
DUPLICATE, REPLAYED, EQUIVOCATION, SEQUENCE_NOT_INCREASING = 19, 20, 21, 22
SILENT, OUT_OF_BOUNDS, JUMP, FROZEN = 100, 101, 102, 103
COPIED_FEED, TIME_SHIFTED, NEIGHBOUR_OFFSET, INDOOR = 104, 105, 106, 107

NAMES = {
    number: "".join(part.capitalize() for part in name.split("_"))
    for name, number in list(globals().items())
    if isinstance(number, int)
}
NAMES[0] = "Accepted"
