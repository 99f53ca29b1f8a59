"""`python -m bringup.bench.faults`."""

from bringup.bench.faults.matrix import main

raise SystemExit(main())
