"""The page itself: gradio's components, each a question to ``Viewer``. Nothing else of dinoseg knows gradio.

What a browser sends is kept in a private folder until the page is closed, and no file outside of it can be asked for.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from dinoseg.app.controls import controls_of
from dinoseg.app.guard import Guard
from dinoseg.app.viewer import Look, Viewer, picture, write_files
from dinoseg.errors import DinosegError, OptionError
from dinoseg.methods import METHODS, describe, method_class
from dinoseg.options import AppOptions, ModelOptions, SegmentOptions
from dinoseg.refine import REFINEMENTS

R = TypeVar("R")
LARGEST = "64mb"
"""Of a file that is sent to the page."""
KEPT = 3600
"""Seconds after which what a closed page left is removed."""
SESSIONS = 8
"""Tabs whose photographs are held in memory; the oldest gives way."""
HOST = "127.0.0.1"
NONE = "nothing"
"""Beside the first method."""
VIEWS = ("overlay", "cut-out", "mask")
ALL = "mean of all"
BUTTONS = ["download", "fullscreen"]
"""Of a picture; gradio would offer to send it elsewhere too."""
FONT = ("system-ui", "sans-serif")
"""Those that a system has: gradio's own would be fetched from elsewhere."""


@contextmanager
def serving(model: ModelOptions, options: AppOptions) -> Iterator[str]:
    """The page at an address of this machine, for the length of a block; then all that it kept is removed.

    Raises ``OptionError`` for a port that is taken, ``WeightsError`` or ``DeviceError``.
    """
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:  # what is set for other pages
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio
    from starlette.middleware import Middleware

    viewer = Viewer(model)
    folder = Path(tempfile.mkdtemp(prefix="dinoseg-app-"))  # of this user alone
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    page = Page(gradio, viewer, folder).blocks()
    try:
        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=options.port,
                inbrowser=options.open_browser,
                share=False,
                allowed_paths=[],
                prevent_thread_lock=True,
                quiet=True,
                max_file_size=LARGEST,
                state_session_capacity=SESSIONS,
                app_kwargs={"middleware": [Middleware(Guard)]},
                run_history=False,
                enable_monitoring=False,
                mcp_server=False,
                ssr_mode=False,
                footer_links=[],
                theme=gradio.themes.Default(font=FONT, font_mono=("monospace",)),
            )
        except OSError as error:
            raise OptionError(f"--port {options.port} cannot be had ({error}): name another, or none.") from error
        yield address
    finally:
        page.close(verbose=False)
        shutil.rmtree(folder, ignore_errors=True)


class Page:
    """The components, and what happens when they are used."""

    def __init__(self, gradio: Any, viewer: Viewer, folder: Path) -> None:
        self.gr, self.viewer, self.folder = gradio, viewer, folder

    def blocks(self) -> Any:
        """The whole page."""
        gr = self.gr
        with gr.Blocks(title="dinoseg", analytics_enabled=False, delete_cache=(KEPT, KEPT), fill_width=True) as page:
            look = gr.State(None, time_to_live=KEPT)
            gr.Markdown(f"## dinoseg\n{self.viewer.spec.name}. Nothing leaves this machine, nothing is kept.")
            file = gr.File(label="Photograph", height=110, elem_id="photograph")
            with gr.Tab("Objects"):
                self.objects(look)
            with gr.Tab("Attention", render_children=True):
                self.attention(look)
            file.change(self.told(self.open), file, look, show_progress="full")
        return page

    def told(self, answer: Callable[..., R]) -> Callable[..., R]:
        """The same, which tells an error of ours on the page."""

        @wraps(answer)
        def call(*arguments: Any) -> R:
            try:
                return answer(*arguments)
            except DinosegError as error:
                raise self.gr.Error(str(error), print_exception=False) from error

        return call

    def open(self, file: str | None) -> Look | None:
        """What was dropped, encoded."""
        if file is None:
            return None
        try:
            return self.viewer.open(Path(file))
        finally:
            Path(file).unlink(missing_ok=True)  # nothing asks for it again

    # Objects.

    def objects(self, look: Any) -> None:
        """Two methods side by side."""
        gr = self.gr
        with gr.Row():
            view = gr.Radio(VIEWS, value=VIEWS[0], label="Shown", elem_id="view")
            refine = gr.Dropdown(list(REFINEMENTS), value=SegmentOptions.refine, label="Refinement")
            presence = gr.Slider(0, 1, SegmentOptions.min_presence, step=0.05, label="No mask below this presence")
            parts = gr.Checkbox(SegmentOptions.parts, label="Each connected part is an object")
        with gr.Row():
            for name, choices in (("first", list(METHODS)), ("second", [NONE, *METHODS])):
                with gr.Column():
                    self.method(name, choices, look, (view, refine, presence, parts))

    def method(self, name: str, choices: list[str], look: Any, others: tuple[Any, ...]) -> None:
        """One method with its parameters, its picture and its files."""
        gr = self.gr
        method = gr.Dropdown(choices, value=choices[0], label=f"{name.capitalize()} method", elem_id=f"{name}-method")
        given = gr.State({})
        with gr.Accordion("Parameters", open=False):
            gr.render(inputs=method)(lambda method: self.parameters(method, given))
        image = gr.Image(
            label=name.capitalize(), format="png", interactive=False, buttons=BUTTONS, elem_id=f"{name}-picture"
        )
        told = gr.Markdown(elem_id=f"{name}-told")
        files = gr.Button("Files", size="sm", elem_id=f"{name}-files")
        links = gr.File(
            label="Mask, cut-out, label map, overlay, COCO json",
            file_count="multiple",
            visible=False,
            elem_id=f"{name}-links",
        )
        method.change(dict, None, given)
        asked = [look, method, given, *others]
        gr.on([x.change for x in asked], self.told(self.segment), asked, [image, told], show_progress="minimal")
        files.click(self.told(self.files), asked, links)

    def parameters(self, method: str, given: Any) -> None:
        """A control for each parameter of a method, as its dataclass declares them."""
        gr = self.gr
        controls = [] if method == NONE else controls_of(method_class(method))
        if not controls:
            gr.Markdown("none")
        for each in controls:
            kind = {"label": each.name, "info": each.parameter.help, "value": each.value}
            if each.kind == "switch":
                control = gr.Checkbox(**kind)
            elif each.kind == "choice":
                control = gr.Dropdown(list(each.choices), **kind)
            else:
                control = gr.Number(precision=0 if each.kind == "whole" else None, **kind)
            control.change(
                lambda value, known, each=each: {**known, each.name: each.word(value)}, [control, given], given
            )

    def found(self, look: Look, method: str, given: dict[str, str | None], others: tuple[Any, ...]) -> Any:
        """The objects that a method finds."""
        refine, presence, parts = others
        param = tuple(word for name, word in given.items() if word is not None and name in names_of(method))
        return self.viewer.segment(look, method=method, param=param, refine=refine, min_presence=presence, parts=parts)

    def segment(self, look: Look | None, method: str, given: dict[str, str | None], view: str, *others: Any) -> Any:
        """Its picture, and what there is to say."""
        if look is None or method == NONE:
            return None, ""
        found = self.found(look, method, given, others)
        if not found.instances:
            return picture(look, found, view), f"No object ({found.reason})."
        scores = ", ".join(f"{score:.2f}" for score in found.scores[:8])
        chance = "" if found.presence is None else f" Presence {found.presence:.2f}."
        return picture(look, found, view), f"{len(found)} object{'s'[: len(found) > 1]}, score {scores}.{chance}"

    def files(self, look: Look | None, method: str, given: dict[str, str | None], _view: str, *others: Any) -> Any:
        """What may be downloaded."""
        if look is None or method == NONE:
            raise OptionError("There is no photograph yet, or no method.")
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        paths = write_files(self.found(look, method, given, others), folder)
        return self.gr.File([str(path) for path in paths], visible=True)

    # Attention.

    def attention(self, look: Any) -> None:
        """The photograph to click on, and what a patch attends to and is like; below, every head."""
        gr, viewer = self.gr, self.viewer
        heads = [ALL, *(f"head {number}" for number in range(viewer.spec.heads))]
        point = gr.State(None)
        with gr.Row():
            layer = gr.Slider(1, viewer.spec.depth, viewer.spec.depth, step=1, label="Layer", elem_id="layer")
            facet = gr.Dropdown(list(viewer.facets), value="token", label="Alike by", elem_id="facet")
            head = gr.Dropdown(heads, value=ALL, label="Attention of", elem_id="head")
            cls = gr.Button("CLS instead of a patch", size="sm", elem_id="cls")
        with gr.Row():
            shown = gr.Image(
                label="Click a patch", format="jpeg", interactive=False, buttons=BUTTONS, elem_id="clickable"
            )
            attended = gr.Image(
                label="It attends to", format="jpeg", interactive=False, buttons=BUTTONS, elem_id="attended"
            )
            alike = gr.Image(label="Like it", format="jpeg", interactive=False, buttons=BUTTONS, elem_id="alike")
        heads_ = gr.Gallery(
            label="Every head",
            columns=6,
            height=240,
            object_fit="contain",
            format="jpeg",
            interactive=False,
            elem_id="heads",
        )
        asked, maps = [look, point, layer, facet, head], [attended, alike]
        quick = {"show_progress": "hidden", "queue": False}
        look.change(lambda look: (None, None if look is None else look.shown), look, [point, shown], **quick)
        shown.select(self.told(self.clicked()), asked, [point, *maps], **quick)
        cls.click(self.told(self.cls), asked, [point, *maps], **quick)
        gr.on([x.change for x in (look, layer, facet, head)], self.told(self.maps), asked, maps, **quick)
        gr.on([x.change for x in (look, point, layer)], self.told(self.heads), asked[:3], heads_, **quick)

    def clicked(self) -> Callable[..., Any]:
        """What answers a click: the patch, and its maps, in one go."""

        def call(look, _point, layer, facet, head, event):  # type: ignore[no-untyped-def]
            patch = look.patch_under(event.index)
            return patch, *self.maps(look, patch, layer, facet, head)

        call.__annotations__["event"] = self.gr.SelectData  # by this gradio knows what to hand over
        return call

    def cls(self, look: Look | None, _patch: int | None, layer: int, facet: str, head: str) -> Any:
        """The maps of CLS."""
        return None, *self.maps(look, None, layer, facet, head)

    def maps(self, look: Look | None, patch: int | None, layer: int, facet: str, head: str) -> Any:
        """What is attended to and, where a patch was clicked, what is like it."""
        if look is None:
            return None, None
        maps = self.viewer.attention(look, layer, patch)
        shown = maps.mean(axis=0) if head == ALL else maps[int(head.removeprefix("head "))]
        if patch is None:
            return look.heat(shown), None
        alike = self.viewer.similarity(look, layer, facet, patch).clip(0)
        return look.heat(shown, patch), look.heat(alike, patch)

    def heads(self, look: Look | None, patch: int | None, layer: int) -> Any:
        """Every head's map over the photograph."""
        if look is None:
            return []
        maps = self.viewer.attention(look, layer, patch)
        return [(look.heat(map_, patch), f"head {number}") for number, map_ in enumerate(maps)]


def names_of(method: str) -> set[str]:
    """The parameters that a method has: those of the one before it are gone."""
    return {each.name for each in describe(method).parameters}
