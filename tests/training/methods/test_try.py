import time, pytest, traceback
from pathlib import Path
from lingraft.training.graft import graft
from lingraft.training.recipe.recipes import SHIPPED

@pytest.mark.parametrize("name", sorted(p.stem for p in (SHIPPED/"methods").glob("*.toml")))
def test_it(bench, tmp_path, name):
    changes = {}
    recipe = bench.recipe(name)
    t=time.process_time()
    g = graft(recipe, tmp_path/"run")
    print(name, time.process_time()-t, g.decision.verdict)
