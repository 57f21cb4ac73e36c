"""STYLE of the package, read off its syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / 'llm_mde_mm').rglob('*.py'))
TOOLS = sorted((ROOT / 'tools').rglob('*.py'))
# Where weights are read, and nowhere else.
LOADER = ROOT / 'llm_mde_mm/utils/checkpoint.py'
# Calls that run text as code, or load what can: by their dotted name's end.
FORBIDDEN = {
    'eval': 'eval',
    'exec': 'exec',
    'os.system': 'os.system',
    'os.popen': 'os.popen',
    'pickle.load': 'pickle',
    'pickle.loads': 'pickle',
    'Unpickler': 'pickle',
    'joblib.load': 'pickle',
}


def dotted(node):
    """'a.b.c' of a name or an attribute, '' of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f'{before}.{node.attr}' if before else f'.{node.attr}'
    return ''


def imported(tree):
    """What each name that a module imports stands for."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = (
                    f'{node.module}.{alias.name}'
                )
    return names


def called(node, names):
    first, dot, rest = dotted(node.func).partition('.')
    return names.get(first, first) + dot + rest


def is_keyword(node, name, value):
    return any(
        k.arg == name
        and isinstance(k.value, ast.Constant)
        and k.value.value is value
        for k in node.keywords
    )


def narrows(test):
    """``x is not None``, by which an author tells mypy what he knows."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name | ast.Attribute)
        and [type(op) for op in test.ops] == [ast.IsNot]
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )


def faults_of_call(node, names, is_tool, is_loader):
    call = called(node, names)
    for name, fault in FORBIDDEN.items():
        if call == name or call.endswith(f'.{name}') and '.' in name:
            yield fault
    if call == 'print' and not is_tool:
        yield 'print'
    if call.endswith('.cuda'):
        yield '.cuda()'
    if any(k.arg == 'trust_remote_code' for k in node.keywords):
        yield 'trust_remote_code'
    if is_keyword(node, 'shell', True):
        yield 'shell=True'
    if is_keyword(node, 'allow_pickle', True):
        yield 'allow_pickle'
    if call in ('torch.load', 'torch.serialization.load'):
        if not is_loader:
            yield 'torch.load'
        elif not is_keyword(node, 'weights_only', True):
            yield 'torch.load without weights_only=True'


def faults(text, is_tool=False, is_loader=False):
    """What breaks the rules, by name and line."""
    tree = ast.parse(text)
    names = imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if any(alias.name == '*' for alias in node.names):
                found.append(('import *', node.lineno))
        elif isinstance(node, ast.Assert) and not narrows(node.test):
            found.append(('assert', node.lineno))
        elif isinstance(node, ast.Call):
            found += [
                (fault, node.lineno)
                for fault in faults_of_call(node, names, is_tool, is_loader)
            ]
        elif isinstance(node, ast.Attribute | ast.Name):
            # Also where it is handed on and not called.
            name = dotted(node)
            first, dot, rest = name.partition('.')
            whole = names.get(first, first) + dot + rest
            if whole in ('torch.load', 'os.system') and not is_loader:
                found.append((whole, node.lineno))
    return found


@pytest.mark.parametrize(
    'path', PACKAGE + TOOLS, ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_rules_hold(path):
    found = faults(path.read_text(), path in TOOLS, path == LOADER)
    assert not found, f'{path}: {found}'


def test_the_loader_loads():
    """The one exception is there, and safe."""
    text = LOADER.read_text()
    assert [f for f, _ in faults(text)][0] == 'torch.load'
    unsafe = text.replace('weights_only=True', 'weights_only=False')
    assert ('torch.load without weights_only=True') in dict(
        faults(unsafe, is_loader=True)
    )


@pytest.mark.parametrize(
    ('code', 'fault'),
    [
        ('from os.path import *', 'import *'),
        ('model.backbone.cuda()', '.cuda()'),
        ('make().cuda(0)', '.cuda()'),
        ('print(1)', 'print'),
        ('assert x > 0', 'assert'),
        ('eval("1")', 'eval'),
        ('exec("1")', 'exec'),
        ('import os\nos.system("a")', 'os.system'),
        ('from os import system as s\ns("a")', 'os.system'),
        ('import os as o\nf = o.system', 'os.system'),
        ('import subprocess\nsubprocess.run("a", shell=True)', 'shell=True'),
        (
            'AutoModel.from_pretrained(n, trust_remote_code=x)',
            'trust_remote_code',
        ),
        ('import torch\ntorch.load(p, weights_only=True)', 'torch.load'),
        ('from torch import load\nload(p)', 'torch.load'),
        ('import torch as t\nread = t.load', 'torch.load'),
        ('import pickle\npickle.loads(b)', 'pickle'),
        ('from pickle import load\nload(b)', 'pickle'),
        ('import numpy as np\nnp.load(p, allow_pickle=True)', 'allow_pickle'),
    ],
)
def test_a_fault_is_found(code, fault):
    assert fault in dict(faults(code))


def test_what_is_allowed():
    code = 'import json\njson.load(f)\nmodel.eval()\nself.load(p)\nprint(1)'
    code += '\nassert self.bias is not None'
    assert faults(code, is_tool=True) == []
