"""No test reaches the network, nor does a process that it starts."""

import os
import runpy
from pathlib import Path

OFFLINE = Path(__file__).parent / 'tests' / 'offline'
os.environ['HF_HUB_OFFLINE'] = '1'
os.environ['PYTHONPATH'] = os.pathsep.join(
    [str(OFFLINE), *filter(None, [os.environ.get('PYTHONPATH')])]
)
runpy.run_path(str(OFFLINE / 'sitecustomize.py'))
