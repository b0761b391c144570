from mmdet_flow.fonts import drawable, font_files, runs_of


def test_signs_that_a_font_has_stay_as_they_are():
    for name in ("washer", "Käfer", "жук", "Ωμέγα", "Çiçek"):
        assert drawable(name) == name


def test_signs_without_a_font_are_their_code_points():
    assert drawable("ก1") == "U+0E011"
    assert drawable("\U0001f41d") != drawable("\U0001f41c")


def test_control_characters_are_their_code_points():
    """Pillow fails over the end of a line, and such a name may come with a model."""
    assert drawable("a\nb") == "aU+000Ab"
    assert drawable("Käfer\r") == "KäferU+000D"


def test_the_parts_of_a_text_are_in_fonts_that_have_them():
    text = drawable("Käfer 猫 ก")
    parts = runs_of(text)
    assert "".join(part for _, part in parts) == text
    assert {font for font, _ in parts} <= set(font_files())
