"""One worker, as the supervisor starts it."""

from hilum.workers.worker import main

main()
