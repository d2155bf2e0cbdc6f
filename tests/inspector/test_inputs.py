"""The fields for a model's inputs beside the image, with a real model that has two of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from inspector_pages import check_page
from patient_model import write_patient_model
from servers.browser import Watch
from servers.explaining import ExplainingService, explaining_service

RESULT_MS = 120_000
"""How long an explanation may take while the worker starts."""
# Keras saves variables through TensorFlow's `__array__`, which NumPy warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplainingService]:
    """A service whose default model takes an age and three numbers for a site."""
    directory = tmp_path_factory.mktemp("patient")
    catalog = write_patient_model(directory)
    with explaining_service(directory, models_file=catalog, default_model="patient") as service:
        yield service


def open_form(page: Page, service: ExplainingService) -> None:
    page.goto(f"{service.url}/#/new")
    expect(page.get_by_label("age", exact=True)).to_have_value("0.4")
    expect(page.get_by_label("site (3 numbers)")).to_have_value("1, 0, -1")


def test_a_model_has_a_field_for_each_input_with_the_value_of_the_catalog(
    page: Page, patient: ExplainingService
) -> None:
    open_form(page, patient)
    check_page(page, "inputs")
    page.get_by_label("Model").select_option("vgg16")
    expect(page.get_by_label("age", exact=True)).to_have_count(0)
    page.get_by_label("Model").select_option("patient")
    expect(page.get_by_label("age", exact=True)).to_have_value("0.4")


def test_an_explanation_uses_the_values_and_keeps_them_for_another_method(
    page: Page, patient: ExplainingService, photos: Path
) -> None:
    open_form(page, patient)
    page.get_by_label("age", exact=True).fill("0.9")
    page.get_by_label("site (3 numbers)").fill("0 1, .5")
    page.set_input_files("input[type=file]", photos / "coffee.jpg")
    expect(page.locator(".head")).to_contain_text("age 0.9 · site 0, 1, 0.5", timeout=RESULT_MS)
    first = page.url
    page.get_by_text("Receipt").click()
    expect(page.locator("dl").filter(has_text="Inputs")).to_contain_text("age 0.9")
    page.get_by_text("Explain this photo again").click()
    expect(page.get_by_label("age", exact=True)).to_have_value("0.9")
    check_page(page, "inputs-again")
    page.get_by_label("Method").select_option("hirescam")
    page.get_by_label("age", exact=True).fill("2")
    page.get_by_role("button", name="Explain", exact=True).click()
    expect(page).not_to_have_url(first, timeout=RESULT_MS)
    expect(page.locator(".head")).to_contain_text("hirescam · age 2 ·", timeout=RESULT_MS)
    record = patient.get(f"/v1/explanations/{page.url.rpartition('/')[2]}").json()
    assert record["inputs"] == {"age": [2], "site": [0, 1, 0.5]}
    assert record["result"]["inputs"] == record["inputs"]


@pytest.mark.parametrize(
    ("label", "text", "complaint"),
    [
        ("age", "old", "Write a number, such as 0.4."),
        ("age", "", "Write a number, such as 0.4."),
        ("site (3 numbers)", "1, 2", "Write 3 numbers, such as 1, 0, -1."),
    ],
)
def test_a_value_that_is_no_number_is_refused_at_its_field(
    page: Page, patient: ExplainingService, photos: Path, label: str, text: str, complaint: str
) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    open_form(page, patient)
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    page.set_input_files("input[type=file]", photos / "coffee.jpg")
    expect(page.get_by_role("alert").filter(has_text=complaint)).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(complaint)
    assert "POST" not in sent
    check_page(page, f"inputs-refused-{len(text)}")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0")
    expect(page.get_by_text(complaint)).to_have_count(0)


def test_a_value_that_the_service_refuses_is_explained_at_its_field(
    page: Page, watch: Watch, patient: ExplainingService, photos: Path
) -> None:
    watch.failures_expected = True
    complaint = "the input 'site' takes 2 numbers, not 3"

    def refuse(route: Route) -> None:
        problem = {"status": 422, "code": "invalid_request", "title": "No", "detail": complaint}
        route.fulfill(status=422, json=problem)

    open_form(page, patient)
    page.route(re.compile("/v1/explanations$"), refuse)
    page.set_input_files("input[type=file]", photos / "coffee.jpg")
    field = page.get_by_label("site (3 numbers)")
    expect(field).to_have_accessible_description(complaint)
    expect(page.get_by_label("age", exact=True)).to_have_accessible_description("")
