# SPDX-License-Identifier: Apache-2.0
"""Write the files of `examples/acme` that a text editor cannot: PDF, DOCX, PPTX, XLSX, a mail, a scan, a damaged file.

    python scripts/make_acme.py [FOLDER]

They are committed; a test makes them again and compares. The scan is drawn by PDFium, whose pixels may differ
between versions, so that one is compared by what it lacks: text. Made-up facts only, agreeing with the Markdown beside.
"""

from __future__ import annotations

import sys
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.acme_office import write_docx, write_pptx, write_xlsx
from scripts.acme_pdf import Pages, write_image_pdf

HOME = Path(__file__).resolve().parents[1] / "examples/acme"


def manual(path: Path) -> None:
    """Installation manual of the P200, four pages."""
    pages = Pages("P200 installation manual")
    pages.heading("P200 installation manual", 22)
    pages.paragraph("Edition 4, June 2026. For the models P200-60, P200-80 and P200-80 bronze.")
    pages.heading("1 Before you begin")
    pages.paragraph(
        "The P200 may be installed by trained plumbers and connected by qualified electricians only. "
        "Read this manual to the end before you open the first valve."
    )
    pages.paragraph(
        "Check that the box holds the pump, two gaskets, the insulating shell, a P-Link plug and this manual. "
        "If the red shock sticker on the box has turned dark, do not install the pump and call the service "
        "line at extension 800."
    )
    pages.heading("2 Choosing the place")
    pages.paragraph(
        "Leave 30 centimetres of free space above the electronics, so that they can be lifted off. "
        "The room must stay between 0 and 40 degrees Celsius."
    )
    pages.paragraph(
        "The arrow on the housing shows the direction of flow. The shaft lies level; the electronics may "
        "point up or to the side, but never down."
    )
    pages.heading("3 Mounting")
    pages.paragraph("Flush the pipes before mounting: welding beads destroy the rotor within hours.")
    pages.paragraph("Tighten the flange bolts crosswise in two rounds.")
    pages.table(
        [
            ["Flange", "Bolts", "First round", "Second round"],
            ["DN 40", "4 x M16", "20 Nm", "45 Nm"],
            ["DN 50", "4 x M16", "25 Nm", "55 Nm"],
            ["DN 65", "8 x M16", "25 Nm", "60 Nm"],
        ],
        [110, 110, 110, 110],
    )
    pages.new_page()
    pages.heading("4 Electrical connection")
    pages.paragraph(
        "The P200 is connected to 230 volts, 50 hertz, with a fuse of 10 amperes of type C. "
        "A residual-current device of type B is required."
    )
    pages.paragraph(
        "Use cable with a cross-section of at least 1.5 square millimetres. Earth is connected first and "
        "taken off last."
    )
    pages.heading("5 Filling and venting")
    pages.paragraph(
        "Fill the system slowly to 1.5 bar. Open the vent screw by half a turn until water comes without "
        "bubbles, then close it. Never let the pump run dry, not even to try it."
    )
    pages.heading("6 First start")
    pages.paragraph(
        "1. Open both valves. 2. Switch the power on. 3. Turn the knob to AUTO. 4. Wait until the display "
        "shows the flow, which takes about 90 seconds."
    )
    pages.paragraph(
        "Write the values of the first hour into the protocol on the last page. Send it in within 30 days: "
        "with it, the warranty of the P200 becomes seven years."
    )
    pages.new_page()
    pages.heading("7 Fault codes")
    pages.paragraph("A fault is shown on the display and in register 40007.")
    pages.table(
        [
            ["Code", "Meaning", "What to do"],
            ["E01", "No water, the pump ran dry", "Fill and vent, then press the knob"],
            ["E04", "Voltage below 195 V", "Have the supply checked"],
            ["E07", "Rotor blocked", "Switch off, flush, turn the shaft by hand"],
            ["E12", "Electronics above 85 °C", "Free the space above, clean the fins"],
            ["E15", "No answer from the second pump", "Check the P-Link plug and the address"],
            ["E21", "Seal is due", "Replace the seal, then reset the counter"],
        ],
        [50, 190, 230],
    )
    pages.heading("8 Maintenance")
    pages.paragraph(
        "Look at the pump once a year: leaks, noise, dust on the fins. The seal is replaced every 20,000 hours "
        "of running, or after five years, whichever comes first."
    )
    pages.paragraph("Grease is not needed anywhere. Do not use cleaners with acid on the bronze housing.")
    pages.new_page()
    pages.heading("9 Taking out of service")
    pages.paragraph(
        "Switch off, close both valves, wait until the housing is below 40 degrees, drain, unscrew. "
        "Old pumps are taken back free of charge at Dyer's Lane 12, Millbrook; 91 percent of the material is used again."
    )
    pages.heading("10 Protocol of putting into operation")
    pages.table(
        [
            ["Value", "After 10 minutes", "After 60 minutes"],
            ["Flow", "............ m3/h", "............ m3/h"],
            ["Pressure behind the pump", "............ bar", "............ bar"],
            ["Power", "............ W", "............ W"],
        ],
        [170, 150, 150],
    )
    pages.write(path)


def spare_parts(path: Path) -> None:
    """Spare parts with prices and stock, two sheets."""
    write_xlsx(
        path,
        {
            "Parts": [
                ["Part number", "Part", "Fits", "Price EUR", "In stock", "Shelf"],
                ["S-1101", "Rotor with shaft", "P100", 48.5, 120, "A3"],
                ["S-1102", "Button board", "P100", 17.9, 64, "A3"],
                ["S-2101", "Seal set", "P200", 36.0, 310, "B1"],
                ["S-2102", "Rotor with shaft", "P200", 142.0, 41, "B1"],
                ["S-2103", "Electronics", "P200", 265.0, 18, "B2"],
                ["S-2104", "Bronze housing", "P200-80 bronze", 388.0, 6, "B4"],
                ["S-2105", "Gasket DN 50", "P200", 3.2, 900, "B1"],
                ["S-3101", "Heated plate", "P300", 96.0, 0, "C1"],
                ["S-3102", "Vibration sensor", "P300", 58.0, 12, "C1"],
            ],
            "Shipping": [
                ["Country", "Days", "Cost EUR", "Free from EUR"],
                ["Portugal", 2, 9, 250],
                ["Spain", 3, 12, 300],
                ["Germany", 3, 14, 300],
                ["Norway", 6, 31, 800],
                ["Switzerland", 5, 28, 600],
            ],
        },
    )


def agreement(path: Path) -> None:
    """Framework agreement with a supplier; sales only."""
    write_docx(
        path,
        [
            ("Title", "Framework agreement with Fonderia Bellini"),
            (
                "Normal",
                "Between Acme Pumps, 12 Dyer's Lane, Millbrook, and Fonderia Bellini S.r.l., Brescia. "
                "Signed on 4 February 2026. For the sales team; not to be shown to customers.",
            ),
            ("Heading1", "Subject"),
            ("Normal", "Bellini casts the bronze housings of the P200-80. Acme buys at least 600 housings a year."),
            ("Heading1", "Prices"),
            [
                ["Housings a year", "Price each"],
                ["600 to 999", "171 euros"],
                ["1,000 to 1,999", "158 euros"],
                ["2,000 and more", "149 euros"],
            ],
            (
                "Normal",
                "The price follows the copper price twice a year, on 1 April and 1 October, when copper has moved by more than 8 percent.",
            ),
            ("Heading1", "Delivery"),
            (
                "Normal",
                "Delivery takes six weeks from the order. For each full week of delay Acme deducts 1.5 percent, at most 9 percent.",
            ),
            ("Heading2", "Quality"),
            (
                "Normal",
                "Acme tests five housings of each hundred for leaks at 16 bar. If two leak, the whole hundred goes back.",
            ),
            ("Heading1", "Term"),
            (
                "Normal",
                "The agreement runs until 31 January 2029. Either side may end it with six months' notice to the end of a quarter.",
            ),
        ],
    )


def review(path: Path) -> None:
    """Slides of the quarterly all-hands meeting, with notes."""
    write_pptx(
        path,
        [
            ("Third quarter of 2026", ["All-hands meeting, Millbrook and Lisbon", "15 October 2026"], ""),
            (
                "What we sold",
                [
                    "Turnover in the third quarter: 11.8 million euros, 6 percent more than a year before",
                    "19,400 pumps: 12,900 P100 and 6,500 P200",
                    "The P200-80 bronze grew most, by 31 percent",
                ],
                "Portugal passed Germany as our second largest market for the first time.",
            ),
            (
                "What went wrong",
                [
                    "A batch of 240 seals was too hard; 57 pumps were repaired at customers'",
                    "Average answer of the service line: 3 minutes 40, the aim is 2 minutes",
                ],
                "The seals came from a new mould. Grace has had every mould measured since.",
            ),
            (
                "What comes next",
                [
                    "P300: orders from 1 December 2026, deliveries from 1 March 2027",
                    "Solar roof on hall 2 is switched on in April 2027, with 310 kilowatts",
                    "Summer party on 26 June 2027",
                ],
                "",
            ),
        ],
    )


def mail(path: Path) -> None:
    """A mail about a late delivery, with a table attached; sales only."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "Lucia Bellini <lucia@bellini.example>"
    message["To"] = "Ben Hartley <ben@acme.example>"
    message["Date"] = "Tue, 10 Nov 2026 08:41:00 +0100"
    message["Subject"] = "Housings for the P200-80 bronze: two weeks late"
    message["Message-ID"] = "<20261110.0841.bellini@bellini.example>"
    message.set_content(
        "Dear Ben,\n\n"
        "the second furnace has been standing still since Thursday, so the 300 bronze housings of your order 4471 will leave\n"
        "Brescia on 4 December instead of 20 November.\n\n"
        "We can send 80 housings ahead on 27 November by express, at our cost.\n"
        "The attached table has the new dates.\n\n"
        "I am sorry. Please call me if that stops your line.\n\n"
        "Lucia Bellini\n"
    )
    table = "order,pieces,planned,new_date\n4471-a,80,2026-11-20,2026-11-27\n4471-b,220,2026-11-20,2026-12-04\n"
    message.add_attachment(table, subtype="csv", filename="new-dates.csv")
    message.set_boundary("=_acme_4471")
    path.write_bytes(message.as_bytes())


def scan(path: Path) -> None:
    """A delivery note that somebody put on the scanner: a picture of text, no text."""
    import numpy as np
    import pypdfium2

    drawn = path.with_suffix(".tmp")
    pages = Pages("Delivery note 88213")
    pages.heading("Delivery note 88213", 20)
    pages.paragraph("Fonderia Bellini S.r.l., Brescia, to Acme Pumps, Millbrook. 14 September 2026.")
    pages.table([["Article", "Pieces", "Weight"], ["Housing bronze DN 50", "120", "564 kg"]], [200, 100, 100])
    pages.paragraph("Received by: G. Okafor. Two crates damaged, contents in order.")
    pages.write(drawn)
    document = pypdfium2.PdfDocument(drawn)
    grey = np.asarray(document[0].render(scale=150 / 72, grayscale=True).to_numpy())
    document.close()
    drawn.unlink()
    grey = grey.reshape(grey.shape[0], grey.shape[1])
    dust = np.random.default_rng(88213).random(grey.shape) < 0.0004
    white = (grey > 140) ^ dust
    write_image_pdf(path, np.packbits(white, axis=1).tobytes(), grey.shape[1], grey.shape[0])


def damaged(path: Path) -> None:
    """Minutes whose upload broke off: the first part of a real file."""
    write_docx(
        path,
        [("Heading1", "Minutes of the works council"), *[("Normal", f"Item {n}: see the list.") for n in range(1, 90)]],
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


FILES = {
    "products/p200-installation-manual.pdf": manual,
    "products/spare-parts.xlsx": spare_parts,
    "products/delivery-note-scan.pdf": scan,
    "handbook/all-hands-2026-q3.pptx": review,
    "handbook/works-council-minutes.docx": damaged,
    "sales/bellini-agreement.docx": agreement,
    "sales/bellini-late.eml": mail,
}


def main(home: Path) -> None:
    """Write each file below the folder."""
    for name, make in FILES.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HOME)
