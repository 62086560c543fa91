"""What is run and measured on a GPU machine, unattended: ``python -m benchmarks.gpu --out FOLDER``.

Parts (build, test, sanitize, bench) share the minutes given; see ``benchmarks/README.md``.
"""
