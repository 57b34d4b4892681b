"""Tables of text."""

from awsrn_keras.tables import aligned_table, markdown_table


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [["", "a", "bb"], ["long name", "1", ""], ["x", "22", "333"]]
    assert aligned_table(rows) == "           a   bb\nlong name  1\nx          22  333"


def test_markdown_has_a_line_below_the_head():
    text = markdown_table(["file", "ms"], [["int8", "1.5"], ["float32", "12"]])
    assert text.splitlines() == [
        "| file | ms |",
        "| --- | --- |",
        "| int8 | 1.5 |",
        "| float32 | 12 |",
    ]
