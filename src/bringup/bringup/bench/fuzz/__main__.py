"""`python -m bringup.bench.fuzz`."""

from bringup.bench.fuzz.bench import main

raise SystemExit(main())
