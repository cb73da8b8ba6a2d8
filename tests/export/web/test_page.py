"""The page on a phone: cards, camera, microphone, words, looks."""

import wave

import numpy as np
import pytest
from export.export_toys import toy_export, toy_inputs
from PIL import Image


def write_files(folder):
    """A picture and a recording of the model's size."""
    x = toy_inputs(1, seed=5)
    Image.fromarray(x["image"][0, ..., 0]).save(folder / "x.png")
    with wave.open(str(folder / "x.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.int16(x["audio"][0] * 3e4).tobytes())
    return folder / "x.png", folder / "x.wav"


def card(page, name):
    return page.get_by_role("region", name=name, exact=True)


def fill(page, values=(1, 2, 3)):
    for name, value in zip("abc", values):
        page.get_by_role("spinbutton", name=name).fill(str(value))


def shown(page):
    page.get_by_role("button", name="Answer").tap()
    page.wait_for_selector("#answer:visible")
    return page.locator("#answer").inner_text()


def test_files_are_answered_as_the_runner_does(page, runner, tmp_path):
    picture, sound = write_files(tmp_path)
    card(page, "image").locator("input[type=file]").set_input_files(picture)
    card(page, "audio").locator("input[type=file]").set_input_files(sound)
    page.get_by_role("textbox", name="text").fill("a good film")
    fill(page)
    page.wait_for_selector(".card:not(.absent) .wave")
    text = shown(page)
    expected = runner.answer({
        "image": runner.read("image", str(picture)),
        "audio": runner.read("audio", str(sound)),
        "text": runner.read("text", "a good film"),
        "table": np.float32([1, 2, 3]),
    })  # fmt: skip
    for label, share in expected["digit"]["probabilities"].items():
        assert f"{label}\n{share * 100:.1f} %" in text
    assert f"{expected['rating']['value']:.4g} stars" in text
    assert "from image, audio, text, table" in text


def test_camera_and_microphone_are_answered(page):
    card(page, "image").get_by_role("button", name="Camera").tap()
    card(page, "audio").get_by_role("button", name="Listen").tap()
    fill(page)
    page.wait_for_selector(".card:not(.absent) .wave")
    text = shown(page)
    assert "from image, audio, table; without text" in text
    assert page.locator("#answer .pill").inner_text().endswith(" ms")
    shares = page.locator("#answer .target").first.locator(".share")
    total = sum(float(s.split()[0]) for s in shares.all_inner_texts())
    assert total == pytest.approx(100, abs=0.3)
    card(page, "image").get_by_role("button", name="Take picture").tap()
    card(page, "audio").get_by_role("button", name="Stop").tap()
    page.get_by_role("switch", name="audio is there").uncheck()
    page.get_by_role("button", name="Answer").tap()
    page.wait_for_selector("text=without audio, text")
    assert page.errors == []


def test_no_button_moves_when_the_camera_opens(page):
    """A tap on its way would be lost, or reach another button."""
    listen = card(page, "audio").get_by_role("button", name="Listen")
    before = listen.bounding_box()
    card(page, "image").get_by_role("button", name="Camera").tap()
    page.wait_for_selector(".view.live")
    assert listen.bounding_box() == before


def test_live_answers_follow_the_camera(page):
    card(page, "image").get_by_role("button", name="Camera").tap()
    fill(page)
    page.get_by_role("switch", name="Live").check()
    page.wait_for_selector("#answer:visible")
    first = page.locator("#answer .pill").inner_text()
    page.wait_for_function(
        "first => document.querySelector('#answer .pill').innerText != first",
        arg=first,
    )
    assert page.locator("#error").is_hidden()


@pytest.mark.parametrize(
    "name, message",
    [
        ("NotAllowedError", "The camera did not open: it was not allowed"),
        ("NotFoundError", "The camera did not open: there is none"),
    ],
)
def test_a_camera_that_does_not_open_says_why(phone, site, name, message):
    page = phone(site, script=(
        "navigator.mediaDevices.getUserMedia = () => "
        f"Promise.reject(new DOMException('', '{name}'))"
    ))  # fmt: skip
    card(page, "image").get_by_role("button", name="Camera").tap()
    page.wait_for_selector("#error:visible")
    assert page.get_by_role("alert").inner_text().startswith(message)


def test_what_is_missing_is_said_in_words(page, tmp_path):
    alert = page.get_by_role("alert")
    page.get_by_role("button", name="Answer").tap()
    assert alert.inner_text().startswith("There is no image yet: take one")
    picture, _ = write_files(tmp_path)
    chooser = card(page, "image").locator("input[type=file]")
    (tmp_path / "no.png").write_bytes(b"nothing of the kind")
    chooser.set_input_files(tmp_path / "no.png")
    page.wait_for_selector("text=no.png is not a picture")
    chooser.set_input_files(picture)
    page.wait_for_selector("#error", state="hidden")
    page.get_by_role("button", name="Answer").tap()
    page.wait_for_selector("text=There is no table yet")
    page.get_by_role("spinbutton", name="a").fill("1")
    page.get_by_role("button", name="Answer").tap()
    page.wait_for_selector("text=table: b must be a number")
    page.get_by_role("switch", name="text is there").check()
    fill(page)
    page.get_by_role("button", name="Answer").tap()
    page.wait_for_selector("text=There is no text yet")
    assert "switch it to absent" in alert.inner_text()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    for button in page.locator("button:visible, .button:visible").all():
        assert button.bounding_box()["height"] >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(phone, site, scheme):
    """Contrast of at least 4.5 to 1, as WCAG's level AA asks for."""
    page = phone(site, color_scheme=scheme)
    pairs = [("h1", "body"), ("#about", "body"), ("#ask", "#ask"),
             (".card .hint", ".card"), (".card h2", ".card")]  # fmt: skip
    for words, ground in pairs:
        colours = page.evaluate(
            """([words, ground]) => [
            getComputedStyle(document.querySelector(words)).color,
            getComputedStyle(document.querySelector(ground)).backgroundColor
            ]""",
            [words, ground],
        )
        light = [
            np.dot([0.2126, 0.7152, 0.0722], (np.float64(rgb) / 255) ** 2.2)
            for rgb in (c[c.index("(") + 1 : -1].split(",")[:3]
                        for c in colours)
        ]  # fmt: skip
        ratio = (max(light) + 0.05) / (min(light) + 0.05)
        assert ratio >= 4.5, (words, colours, ratio)


def test_it_works_without_a_network(phone, build_site, serve):
    server = serve(build_site(toy_export().bundle))
    page = phone(server.address)
    assert "works offline" in page.locator("#about").inner_text()
    server.shutdown()
    server.server_close()
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    card(page, "image").get_by_role("button", name="Camera").tap()
    fill(page)
    assert "from image, table" in shown(page)


def test_over_plain_http_it_says_what_is_needed(phone, site):
    address = site.replace("127.0.0.1", "elsewhere.test")
    page = phone(address, ready="#error:visible")
    message = page.get_by_role("alert").inner_text()
    assert message.startswith("This page must be opened over https")
