"""How Sphinx builds the site; `python tools/build_site.py build/site` runs it.

Its sources are staged by that script: this folder's pages, the READMEs, the
notebooks with their committed outputs, and the package's files as pages.
Nothing is executed, and no page asks another host for anything.
"""

project = "Build a reasoning model, from scratch"
author = "the authors of this repository"
html_title = project
language = "en"

extensions = ["myst_nb", "sphinx_copybutton"]
root_doc = "index"
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "attrs_inline"]
myst_heading_anchors = 4
# A heading of a LOG entry may follow one two levels up
suppress_warnings = ["myst.header"]

html_theme = "sphinx_book_theme"
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_source_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    # The sidebar holds all that a bar along the top would
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
}
html_context = {"default_mode": "auto"}
html_sidebars = {
    "**": ["title.html", "search-button-field.html", "sbt-sidebar-nav.html"]
}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_favicon = "playground/icon.svg"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
pygments_style = "default"

# Formulas: MathJax lies beside the pages (tools/build_site.py copies it there)
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {
    "options": {"enableMenu": False},
    "svg": {"fontCache": "global"},
}
