from mmdet_flow.handover.markdown import Code, plain, table
from mmdet_flow.pages.render import render


def test_names_stay_what_they_are():
    names = ["a|b", "<script>alert(1)</script>", "snail_*shell*", "`x`", "[a](b)", "é"]
    names += ["__init__", "_a__b_c_"]
    text = table(("name", "code"), [(n, Code(n)) for n in names])
    page = render("document.html", title="T & <t>", text=text)
    assert "<td>a|b</td>" in page and "<td><code>a|b</code></td>" in page
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in page
    assert "<td>snail_*shell*</td>" in page and "<td>`x`</td>" in page
    assert "<td>[a](b)</td>" in page and "<td>é</td>" in page
    assert "<td>__init__</td>" in page and "<td>_a__b_c_</td>" in page
    assert page.count("<script") == 1 and "<a " not in page
    assert "<title>T &amp; &lt;t&gt;</title>" in page


def test_values_in_a_table():
    rows = [(None, 0.12345, 3, ""), (0.0, "two\nlines", "-", "x")]
    assert table(("a", "b", "c", "d"), rows).splitlines()[2:] == [
        "| n/a | 0.123 | 3 | n/a |",
        "| 0.000 | two lines | - | x |",
    ]


def test_a_page_needs_nothing_else():
    text = "![x](http://example.org/x.png)\n\n# Head\n"
    page = render("document.html", title="Title", text=text)
    assert "<h1>Head</h1>" in page and "default-src &#39;none&#39;" in page
    assert page.count("<meta charset") == 1


def test_what_needs_no_mark_has_none():
    assert plain("mAP_50 of snail_shell") == "mAP_50 of snail_shell"
