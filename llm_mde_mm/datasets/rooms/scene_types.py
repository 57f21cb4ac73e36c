"""The 27 scene types of NYU Depth v2 and what a room of each is made of."""

from typing import NamedTuple

from .colors import Color

SCENE_TYPES = (
    'printer_room', 'bathroom', 'living_room', 'study', 'conference_room',
    'study_room', 'kitchen', 'home_office', 'bedroom', 'dinette', 'playroom',
    'indoor_balcony', 'laundry_room', 'basement', 'excercise_room', 'foyer',
    'home_storage', 'cafe', 'furniture_store', 'office_kitchen',
    'student_lounge', 'dining_room', 'reception_room', 'computer_lab',
    'classroom', 'office', 'bookstore',
)  # fmt: skip

PALETTES: dict[str, tuple[Color, ...]] = {
    'warm': ((0.7, 0.6, 0.45), (0.65, 0.5, 0.36), (0.72, 0.68, 0.58)),
    'cool': ((0.55, 0.62, 0.68), (0.68, 0.7, 0.7), (0.42, 0.55, 0.6)),
    'white': ((0.76, 0.75, 0.72), (0.7, 0.7, 0.7)),
    'lively': ((0.75, 0.6, 0.25), (0.45, 0.62, 0.35), (0.62, 0.35, 0.3),
               (0.4, 0.52, 0.72)),
    'drab': ((0.42, 0.42, 0.38), (0.5, 0.45, 0.38), (0.36, 0.38, 0.4)),
}  # fmt: skip


class Recipe(NamedTuple):
    """What a room of one scene type is drawn from.

    Attributes:
        extent: Least and greatest length of a wall, metres.
        height: Least and greatest height of the ceiling, metres.
        palette: Name of the colours of the walls.
        walls: Kinds of wall surface.
        floors: Kinds of floor surface.
        light: Least and greatest brightness of the picture.
        windows: Greatest number of windows.
        furniture: ``name:least-greatest`` for each kind of piece.
    """

    extent: tuple[float, float]
    height: tuple[float, float]
    palette: str
    walls: tuple[str, ...]
    floors: tuple[str, ...]
    light: tuple[float, float]
    windows: int
    furniture: str


_FLAT = ('paint',)
_HOME = ('paint', 'paint', 'paper')
_DIM, _MID, _LIT = (0.10, 0.2), (0.15, 0.28), (0.22, 0.36)
_LOW, _STD, _TALL = (2.25, 2.45), (2.4, 2.7), (2.6, 3.2)
_SOFT = ('planks', 'carpet')
_HARD = ('floor_tile', 'concrete')

RECIPES: dict[str, Recipe] = {
    'printer_room': Recipe(
        (2.4, 5.8), _STD, 'white', _FLAT, ('carpet', 'floor_tile'), _LIT, 0,
        'printer:1-3 cabinet:0-2 rack:0-1 table:0-1 cartons:1-2'),
    'bathroom': Recipe(
        (1.9, 4.8), _LOW, 'cool', ('wall_tile', 'wall_tile', 'paint'),
        ('floor_tile',), _LIT, 1,
        'vanity:1-1 toilet:1-1 bath:0-1 washer:0-1 rug:0-1'),
    'living_room': Recipe(
        (3.8, 7.0), _STD, 'warm', _HOME, _SOFT, _MID, 2,
        'rug:0-1 sofa:1-2 coffee_table:1-1 armchair:0-2 television:0-1 '
        'shelf:0-1 floor_lamp:0-1 plant:0-1'),
    'study': Recipe(
        (2.6, 6.1), _STD, 'warm', _HOME, _SOFT, _DIM, 1,
        'desk:1-1 chair:1-1 shelf:1-2 armchair:0-1 floor_lamp:0-1 rug:0-1'),
    'conference_room': Recipe(
        (4.2, 7.0), _TALL, 'white', _FLAT, ('carpet',), _LIT, 2,
        'conference:1-1 chair:4-8 cabinet:0-1 plant:0-1'),
    'study_room': Recipe(
        (3.4, 7.0), _TALL, 'cool', _FLAT, ('carpet', 'floor_tile'), _LIT, 2,
        'table:2-3 chair:3-6 low_shelf:0-2 partition:0-1'),
    'kitchen': Recipe(
        (2.6, 6.7), _STD, 'lively', ('paint', 'wall_tile'),
        ('floor_tile', 'planks'), _MID, 1,
        'counter:1-2 fridge:1-1 table:0-1 chair:0-2 cabinet:0-1'),
    'home_office': Recipe(
        (2.6, 6.4), _STD, 'cool', _HOME, _SOFT, _MID, 1,
        'desk:1-2 chair:1-2 shelf:0-1 cabinet:0-1 printer:0-1 cartons:0-1'),
    'bedroom': Recipe(
        (3.0, 7.0), _STD, 'warm', _HOME, _SOFT, _DIM, 2,
        'bed:1-1 night_stand:1-2 cabinet:1-2 rug:0-1 armchair:0-1 '
        'television:0-1'),
    'dinette': Recipe(
        (2.5, 5.8), _LOW, 'lively', _HOME, ('floor_tile', 'planks'), _MID, 1,
        'table:1-1 chair:2-4 cabinet:0-1 plant:0-1 stool:0-1'),
    'playroom': Recipe(
        (3.0, 7.0), _STD, 'lively', _HOME, _SOFT, _LIT, 1,
        'toys:2-4 rug:1-1 low_shelf:0-1 coffee_table:0-1 sofa:0-1 '
        'cartons:0-1'),
    'indoor_balcony': Recipe(
        (2.4, 6.7), _TALL, 'warm', ('brick', 'paint'),
        ('floor_tile', 'planks'), _LIT, 3,
        'railing:1-2 plant:1-3 chair:1-2 coffee_table:0-1'),
    'laundry_room': Recipe(
        (2.0, 5.1), _LOW, 'white', ('paint', 'wall_tile'), _HARD, _MID, 1,
        'washer:1-2 cabinet:0-1 rack:0-1 cartons:1-2'),
    'basement': Recipe(
        (3.8, 7.0), _LOW, 'drab', ('brick', 'paint'),
        ('concrete', 'carpet'), _DIM, 0,
        'pillar:1-2 cartons:1-3 rack:1-1 sofa:0-1 washer:0-1 bench:0-1'),
    'excercise_room': Recipe(
        (3.4, 7.0), _STD, 'cool', _FLAT, ('carpet', 'planks'), _LIT, 1,
        'treadmill:1-2 bench:1-2 rack:0-1 toys:0-1 stool:0-1'),
    'foyer': Recipe(
        (2.8, 7.0), _TALL, 'warm', _HOME, ('floor_tile', 'planks'), _MID, 1,
        'rug:1-1 cabinet:1-1 plant:1-2 chair:0-1 floor_lamp:0-1 pillar:0-1'),
    'home_storage': Recipe(
        (2.1, 5.4), _LOW, 'drab', _FLAT, ('concrete', 'planks'), _DIM, 0,
        'rack:1-3 cartons:2-4 cabinet:0-1'),
    'cafe': Recipe(
        (4.4, 7.0), _TALL, 'warm', ('brick', 'paint'),
        ('planks', 'floor_tile'), _MID, 2,
        'table:3-4 chair:4-8 reception:1-1 plant:0-1 stool:1-3'),
    'furniture_store': Recipe(
        (5.2, 7.0), _TALL, 'white', _FLAT, ('carpet', 'concrete'), _LIT, 0,
        'sofa:1-2 armchair:1-2 bed:1-1 table:1-2 chair:1-3 shelf:0-1 '
        'floor_lamp:1-2 rug:0-2'),
    'office_kitchen': Recipe(
        (2.8, 7.0), _TALL, 'white', _FLAT, ('floor_tile',), _LIT, 1,
        'counter:1-2 fridge:1-1 table:0-1 chair:1-3 cartons:0-1'),
    'student_lounge': Recipe(
        (4.4, 7.0), _TALL, 'lively', _FLAT, ('carpet', 'floor_tile'), _MID, 2,
        'sofa:1-2 armchair:1-3 coffee_table:1-2 table:1-1 chair:1-3 '
        'television:0-1 plant:0-1'),
    'dining_room': Recipe(
        (3.2, 7.0), _STD, 'warm', _HOME, ('planks',), _DIM, 2,
        'rug:0-1 conference:1-1 chair:4-6 cabinet:1-1 plant:0-1'),
    'reception_room': Recipe(
        (3.8, 7.0), _TALL, 'white', _FLAT, ('floor_tile', 'carpet'), _LIT, 1,
        'reception:1-1 sofa:1-1 armchair:1-2 coffee_table:0-1 plant:1-2'),
    'computer_lab': Recipe(
        (4.6, 7.0), _STD, 'cool', _FLAT, ('carpet', 'floor_tile'), _LIT, 1,
        'desk:3-6 chair:3-6 partition:0-2 printer:0-1'),
    'classroom': Recipe(
        (5.0, 7.0), _TALL, 'cool', _FLAT, ('floor_tile', 'carpet'), _LIT, 3,
        'table:3-6 chair:4-9 desk:0-1 cabinet:0-1'),
    'office': Recipe(
        (3.0, 7.0), _STD, 'white', _FLAT, ('carpet',), _LIT, 1,
        'desk:1-3 chair:1-3 cabinet:1-2 shelf:0-1 partition:0-2 plant:0-1'),
    'bookstore': Recipe(
        (4.2, 7.0), _TALL, 'warm', _FLAT, _SOFT, _MID, 0,
        'shelf:2-4 low_shelf:1-3 table:0-1 chair:0-1 stool:0-1'),
}  # fmt: skip
