"""`python -m system_tests.faults`."""

from system_tests.faults.matrix import main

raise SystemExit(main())
