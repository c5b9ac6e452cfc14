"""Files as scanners, cameras and other departments make them: PDF, PNG and JPEG, whole and broken."""

from datetime import UTC, datetime
from io import BytesIO

import pikepdf
from fpdf import FPDF
from PIL import Image, ImageDraw


def scanned_pdf(
    pages: int, words: str = "scan", *, turned: int = 0, size: tuple[int, int] = (595, 842)
) -> bytes:
    """A PDF with words and the page's index on each page; `turned` as a scanner says that it lay."""
    made = FPDF(unit="pt", format=size)
    made.set_creation_date(datetime(2026, 2, 11, tzinfo=UTC))
    for index in range(pages):
        made.add_page()
        made.set_font("helvetica", size=36)
        made.text(60, 100, f"{words} {index}")
        made.rect(4, 4, size[0] - 8, size[1] - 8)
    with BytesIO() as written, pikepdf.Pdf.open(BytesIO(bytes(made.output()))) as pdf:
        for page in pdf.pages:
            page.rotate(turned, relative=False)
        pdf.save(written, deterministic_id=True)
        return written.getvalue()


def locked_pdf() -> bytes:
    """One that asks for a password."""
    with BytesIO() as written, pikepdf.Pdf.open(BytesIO(scanned_pdf(1))) as pdf:
        pdf.save(written, encryption=pikepdf.Encryption(owner="o", user="u"))
        return written.getvalue()


def active_pdf() -> bytes:
    """One that would run a script, open a site and carry a file along."""
    with BytesIO() as written, pikepdf.Pdf.open(BytesIO(scanned_pdf(1, "active"))) as pdf:
        script = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))
        pdf.Root.OpenAction = script
        site = pikepdf.Dictionary(S=pikepdf.Name.URI, URI=pikepdf.String("http://example.test/"))
        link = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 100, 100], A=site
        )
        pdf.pages[0].Annots = pdf.make_indirect(pikepdf.Array([pdf.make_indirect(link)]))
        pdf.pages[0].AA = pikepdf.Dictionary(O=script)
        pdf.attachments["carried.exe"] = b"MZ"
        pdf.save(written)
        return written.getvalue()


def picture(
    kind: str, size: tuple[int, int] = (1240, 1754), *, mode: str = "RGB", orientation: int = 1
) -> bytes:
    """A picture with a black bar along its upper edge, as it is to be seen; `orientation` as a camera notes it."""
    image = Image.new(mode, size, "white" if mode != "RGBA" else (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0], size[1] // 20), fill="black")
    turned = {1: image, 6: image.rotate(90, expand=True)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    with BytesIO() as written:
        turned.save(written, kind, dpi=(150, 150), exif=exif)
        return written.getvalue()


def seal(size: tuple[int, int] = (500, 500), mode: str = "RGBA") -> bytes:
    """A round red seal on nothing, with a star."""
    image = Image.new(mode, size, (255, 255, 255, 0) if mode == "RGBA" else "white")
    draw = ImageDraw.Draw(image)
    width, height = size
    red = (220, 20, 20, 255) if mode == "RGBA" else "red"
    draw.ellipse((6, 6, width - 7, height - 7), outline=red, width=14)
    draw.regular_polygon((width // 2, height // 2, min(size) // 8), 5, fill=red)
    with BytesIO() as written:
        image.save(written, "PNG")
        return written.getvalue()
