"""One worker, as the supervisor starts it."""

import gc

gc.disable()  # until it is ready, as in `hilum.__main__`

from hilum.workers.worker import main  # noqa: E402 - see above

main()
