"""`python -m system_tests.fuzz`."""

from system_tests.fuzz.bench import main

raise SystemExit(main())
