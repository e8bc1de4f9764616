# SPDX-License-Identifier: Apache-2.0
"""One row of the faults that provider_faults.py gives to providers."""

OK = "ok"
TRIES = 4  # requests for one operation: cmkfs-providers(7)


class Row:
    """BEFORE is done to the service before it is configured, SETUP to the server."""

    def __init__(self, name, fault, result, says="", on=("unwrap",), calls=TRIES, at_least=0,
                 only=None, stream=False, before=None, setup=None, clock=None):
        self.__dict__.update(locals())
        self.waits = name.startswith(("K01", "K02"))
