"""Files of evidence in a real browser: pictures, PDF, sound and film, shown in place and fetched in parts."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import struct
import wave
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from .conftest import HEALTH, MARKET, Look, Place
from .made import PDF, transferred

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SECONDS = 60
_FILM = """async (kind) => {
    const canvas = document.createElement("canvas");
    canvas.width = 320; canvas.height = 240;
    const drawn = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(25), {mimeType: kind});
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    const done = new Promise((each) => { recorder.onstop = each; });
    recorder.start(200);
    for (let at = 0; at < 40; at += 1) {
        drawn.fillStyle = `hsl(${at * 9}, 80%, 50%)`;
        drawn.fillRect(0, 0, 320, 240);
        await new Promise((each) => setTimeout(each, 40));
    }
    recorder.stop();
    await done;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join(""));
}"""
_PLAY = """async (media) => {
    const told = (name) => new Promise((done, failed) => {
        media.addEventListener(name, done, {once: true});
        media.addEventListener("error", () => failed(new Error(media.error.message)), {once: true});
        setTimeout(() => failed(new Error(`no ${name}`)), 20000);
    });
    if (media.readyState < 1) await told("loadedmetadata");
    media.muted = true;
    await media.play();
    await new Promise((each) => setTimeout(each, 300));
    const begun = media.currentTime;
    const there = told("seeked");
    media.currentTime = media.duration * 0.9;
    await there;
    return {begun, duration: media.duration, at: media.currentTime};
}"""


def sound() -> bytes:
    """A minute of a tone: more than one chunk of evidence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        second = b"".join(
            struct.pack("<hh", int(9000 * math.sin(math.tau * 440 * each / 44_100)), 0)
            for each in range(44_100)
        )
        file.writeframes(second * _SECONDS)
    return made.getvalue()


def photograph() -> bytes:
    """A picture as a telephone makes it."""
    drawn = io.BytesIO()
    Image.effect_noise((1600, 1200), 60).convert("RGB").save(drawn, "JPEG")
    return drawn.getvalue()


async def bring(page: Page, case_id: str, file: Path, data: bytes) -> str:
    """Bring a file by the form of an act; the path of its page."""
    await asyncio.to_thread(file.write_bytes, data)
    await page.goto(f"/cases/{case_id}/acts/accept")
    await page.locator("#f-material-acceptance-notice-file").set_input_files(file)
    await expect(page.locator("#f-material-acceptance-notice-said")).to_have_text(
        "已上传，可直接提交。", timeout=60_000
    )
    root = await page.input_value("#f-material-acceptance-notice")
    return f"/cases/{case_id}/evidence/{root}"


@pytest.mark.parametrize(
    ("name", "kind"),
    # browsers go by the ending of the name: what kind it is, the bytes say
    [("录音.wav", "audio/wav"), ("录像.dat", "video/webm"), ("手机录像.mov", "video/mp4")],
)
async def test_sound_and_film_play_in_parts(
    look: Look, place: Place, tmp_path: Path, name: str, kind: str
) -> None:
    """From the beginning and from near the end, without what lies between being fetched first."""
    parties = place.district.parties
    case_id = await transferred(parties[HEALTH], parties[MARKET], tmp_path, title="影音案")
    page = await place.person("clerk.market")
    await page.goto("/")
    if kind == "audio/wav":
        data = sound()
    else:
        wanted = "video/webm;codecs=vp8" if kind == "video/webm" else "video/mp4;codecs=vp9"
        data = base64.b64decode(await page.evaluate(_FILM, wanted))
    path = await bring(page, case_id, tmp_path / name, data)
    answers: list[tuple[int, str]] = []
    page.on(
        "response",
        lambda each: (
            answers.append((each.status, each.headers.get("content-range", "")))
            if each.url.endswith("/content")
            else None
        ),
    )
    await page.goto(path)
    media = page.locator("audio.preview, video.preview")
    found = await media.evaluate(_PLAY)
    assert found["begun"] > 0
    assert found["at"] >= found["duration"] * 0.9 - 0.1
    assert answers
    assert {status for status, _ in answers} == {206}
    if kind == "audio/wav":
        assert found["duration"] == pytest.approx(_SECONDS)
        # the end was asked for by itself
        begins = [int(told.removeprefix("bytes ").partition("-")[0]) for _, told in answers]
        assert max(begins) > len(data) * 0.8
    answer = await page.request.get(f"{path}/content", headers={"Range": "bytes=0-3"})
    assert (answer.status, answer.headers["content-type"], await answer.body()) == (206, kind, data[:4])
    if kind != "video/mp4":
        await look("clerk.market", path, f"evidence-{kind.partition('/')[0]}")


async def test_pictures_and_papers_are_shown_in_place(look: Look, place: Place, tmp_path: Path) -> None:
    """A photograph, a PDF in a frame that runs nothing; what could run is only kept, whatever it was told to be."""
    parties = place.district.parties
    case_id = await transferred(parties[HEALTH], parties[MARKET], tmp_path, title="图文案")
    page = await place.person("clerk.market")
    data = photograph()
    path = await bring(page, case_id, tmp_path / "照片.bin", data)
    await page.goto(path)
    await page.wait_for_function("document.querySelector('img.preview').naturalWidth === 1600")
    await look("clerk.market", path, "evidence-image")
    path = await bring(page, case_id, tmp_path / "扫描件.tmp", PDF)
    await page.goto(path)
    frame = page.locator("iframe.sheet-view")
    answer = await page.request.get(await frame.get_attribute("src") or "")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    await look("clerk.market", path, "evidence-pdf")
    html = b"<!doctype html><script>alert(1)</script>"
    path = await bring(page, case_id, tmp_path / "网页.png", html)
    await page.goto(path)
    assert await page.locator("img.preview, iframe").count() == 0
    answer = await page.request.get(f"{path}/content")
    assert "html" not in answer.headers["content-type"]
    assert "attachment" in answer.headers["content-disposition"]
