"""The generated parts of the documentation: written from the schemas, nodes and packages that they describe.

`python -m system_tests.reference` writes them, `--check` compares. Each stands between
`<!-- generated: KIND [NAME] -->` and `<!-- end -->` in a page below docs/; the rest of the page is written by hand.
"""
