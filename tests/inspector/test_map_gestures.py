"""`<seewhy-map>` follows pointers, wheels and keys."""

import pytest
from playwright.sync_api import Page

from map_page import EDGES, PAINTED, bump, center, events, show


def test_the_pointer_reads_the_values_of_a_cell(page: Page) -> None:
    first, second = bump(4, 4), bump(9, 9)
    show(page, [first, second])
    page.mouse.move(*center(page, 3, 5))
    (read,) = events(page, "cellhover")
    assert (read["row"], read["column"]) == (3, 5)
    assert read["value"] == float(first[3, 5])
    assert read["values"] == [float(first[3, 5]), float(second[3, 5])]
    assert read["percentile"] == pytest.approx(100 * (first <= first[3, 5]).mean())
    assert read["byKey"] is False
    page.mouse.move(*center(page, 13, 13))
    page.mouse.move(1, 790)
    assert events(page, "cellhover")[-1] is None


def test_a_cell_shows_its_receptive_field(page: Page) -> None:
    square = {"x": 0, "y": 0, "width": 224, "height": 224}
    show(page, [bump(4, 4)], covers=square, imageWidthPx=224, imageHeightPx=224)
    page.evaluate("map.hover([7, 6])")
    assert page.evaluate(EDGES, "cell") == "M96 112h16v16h-16z"
    assert page.evaluate(EDGES, "field") == "M6 22h196v196h-196z"
    page.evaluate("map.hover([0, 0])")
    assert page.evaluate(EDGES, "field") == "M0 0h106v106h-106z"


def test_a_click_pins_a_cell_and_another_releases_it(page: Page) -> None:
    show(page, [bump(4, 4)])
    page.mouse.click(*center(page, 2, 3))
    assert events(page, "cellpin")[-1]["row"] == 2
    assert page.evaluate("map.view.cell") == [2, 3]
    assert page.evaluate(EDGES, "pinned") != ""
    page.mouse.click(*center(page, 2, 3))
    assert events(page, "cellpin")[-1] is None
    assert page.evaluate("map.view.cell") is None


def test_keys_move_the_cell_pin_it_zoom_and_leave(page: Page) -> None:
    show(page, [bump(4, 4)])
    page.locator("canvas").focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    read = events(page, "cellhover")
    assert [(each["row"], each["column"]) for each in read] == [(7, 7), (7, 8), (7, 9), (8, 9)]
    assert all(each["byKey"] for each in read)
    page.keyboard.press("Enter")
    assert page.evaluate("map.view.cell") == [8, 9]
    page.keyboard.press("+")
    assert page.evaluate("map.view.zoom.scale") == 1.5
    page.keyboard.press("Shift+ArrowRight")
    moved = page.evaluate("map.view.zoom")
    assert moved["x"] == pytest.approx(451 / 2 + 0.1 / 1.5 * 451)
    page.keyboard.press("0")
    assert page.evaluate("map.view.zoom") is None
    page.keyboard.press("Escape")
    assert page.evaluate("map.view.cell") is None


def test_a_zoom_keeps_the_point_under_the_pointer_and_the_image_in_view(page: Page) -> None:
    show(page, [bump(4, 4)])
    x, y = center(page, 3, 5)
    page.mouse.move(x, y)
    point = "([x, y]) => map.pointAtClient(x, y)"
    before = page.evaluate(point, [x, y])
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.locator("seewhy-map.zoomed").wait_for()
    page.keyboard.up("Control")
    after = page.evaluate(point, [x, y])
    assert after["x"] == pytest.approx(before["x"], abs=0.5)
    assert after["y"] == pytest.approx(before["y"], abs=0.5)
    page.evaluate("map.view = { zoom: { scale: 4, x: -500, y: 9000 } }")
    page.evaluate(PAINTED)
    box = page.locator("seewhy-map").bounding_box()
    assert box is not None
    corner = page.evaluate(point, [box["x"], box["y"] + box["height"]])
    assert corner["x"] == pytest.approx(0, abs=0.5)
    assert corner["y"] == pytest.approx(300, abs=0.5)
    page.evaluate("map.zoomBy(0.01)")
    assert page.evaluate("map.view.zoom") is None


def test_a_drag_moves_a_zoomed_image_and_pins_nothing(page: Page) -> None:
    show(page, [bump(4, 4)], {"zoom": {"scale": 2, "x": 225.5, "y": 150}})
    x, y = center(page, 7, 7)
    box = page.locator("seewhy-map").bounding_box()
    assert box is not None
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=3)
    page.mouse.up()
    assert page.evaluate("map.view.zoom.x") == pytest.approx(
        225.5 - 60 / 2 * 451 / box["width"], abs=0.5
    )
    assert events(page, "cellpin") == []
