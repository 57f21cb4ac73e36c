"""The README's commands and configs are those of the tools."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()


def blocks(language):
    return re.findall(rf'```{language}\n(.*?)```', README, re.S)


def commands():
    text = '\n'.join(blocks('bash')).replace('\\\n', ' ')
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    'command', [c for c in commands() if c.startswith('python tools/')]
)
def test_tools_accept_the_commands(command, monkeypatch):
    _, tool, *arguments = shlex.split(command)
    spec = importlib.util.spec_from_file_location('tool', ROOT / tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr('sys.argv', [tool, *arguments])
    args = module.parse_args()
    if tool != 'tools/convert_adapter.py':  # which needs no config
        assert (ROOT / args.config).is_file()


def test_the_scripts_and_targets_exist():
    seen = 0
    for command in commands():
        words = shlex.split(command)
        if words[0] == 'make':
            makefile = (ROOT / 'Makefile').read_text()
            assert re.search(rf'^{words[1]}:', makefile, re.M)
        elif words[0].startswith('tools/'):
            assert (ROOT / words[0]).is_file()
            config = next(w for w in words if w.endswith('.py'))
            assert (ROOT / config).is_file()
        else:
            continue
        seen += 1
    assert seen >= 5


def test_the_five_line_config_works(tmp_path, monkeypatch):
    monkeypatch.setenv('LLM_WEIGHTS', 'random')
    text = next(b for b in blocks('python') if b.startswith('_base_'))
    path = tmp_path / 'five_lines.py'
    path.write_text(text.replace("'configs/", f"'{ROOT}/configs/"))
    backbone = Config.fromfile(path).model.backbone
    assert backbone.language.weights == 'openai-community/gpt2'
    assert backbone.prompt.mode == 'fixed'
    assert backbone.vision.type == 'TimmViT'


def test_pictures_and_links_exist():
    links = re.findall(r'\]\(([^)#]+)\)', README)
    local = [link for link in links if not link.startswith('http')]
    assert local
    for link in local:
        assert (ROOT / link).exists(), link
