"""A notebook holds its script's code, cell by cell."""

import ast
import json

from biomass_pipeline.kaggle.folders import Account, Export, script
from biomass_pipeline.kaggle.notebook import as_notebook
from biomass_pipeline_tests.kaggle.grass import CONFIG


def test_the_cells_are_the_code_of_the_script_in_its_order():
    code = script(Export(Account("ann", "grass"), CONFIG), "submit")
    found = json.loads(as_notebook(code))
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    first, *cells = found["cells"]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]) == ast.get_docstring(ast.parse(code))
    assert {cell["cell_type"] for cell in cells} == {"code"}
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    whole = "\n".join("".join(cell["source"]) for cell in cells)
    body = ast.parse(code).body[1:]
    assert ast.unparse(ast.parse(whole)) == "\n".join(map(ast.unparse, body))
