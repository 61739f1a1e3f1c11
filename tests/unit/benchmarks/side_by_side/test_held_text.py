from benchmarks.side_by_side.held_text import paragraphs

PAGE = """<html><body><div class="section"><p class="title">A title</p>
<div class="para">
    One <code class="command">apt</code> &amp; two
    <a id="x" class="indexterm"></a>three.
</div>
<pre class="screen">$ apt install</pre>
<div class="para">Before a list<div class="itemizedlist"><ul><li><div class="para">inside it</div></li></ul></div></div>
<div class="para"> </div></div></body></html>"""


def test_paragraphs_are_prose_without_titles_and_listings():
    assert paragraphs(PAGE) == ["One apt & two three.", "Before a list", "inside it"]
