"""Read the pressure behind a P200 through the P-Link adapter.

The register map of the P200, as far as owners need it:

    40001  state: 0 off, 1 running, 2 stand-by, 3 fault
    40003  flow in litres an hour
    40005  pressure in millibar
    40007  fault code, see the installation manual
"""

PRESSURE_REGISTER = 40005
LOWEST_SAFE_MBAR = 300


def pressure_bar(read_register) -> float:
    """The pressure in bar. `read_register` is any function that takes a register number and returns an integer."""
    return read_register(PRESSURE_REGISTER) / 1000


def is_running_dry(read_register) -> bool:
    """True below 300 millibar: the pump would run dry and must be switched off within 30 seconds."""
    return read_register(PRESSURE_REGISTER) < LOWEST_SAFE_MBAR
