"""What the user does with a fetch that has ended: copy, save, page, edit."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from textual.dom import DOMNode

from tui.screen import copying
from tui.screen.body.source import BodySource, of_how_much
from tui.screen.details import DetailsTarget
from tui.screen.outside import NoProgram, editor_command, pager_command, show_body
from tui.screen.saving import default_name, write_body
from tui.screen.screens.ask import AskScreen
from tui.screen.screens.confirm import ConfirmScreen
from tui.screen.screens.copy import Choice, CopyScreen
from tui.text.plain_text import amount, safe


class RecordActions(DOMNode):
    """Actions for a pane or a screen that has a fetch to act on."""

    secrets = False  # whether copies hold credentials

    def acted_on(self) -> DetailsTarget | None:
        """The fetch that keys act on, None without one."""
        raise NotImplementedError

    # copy

    def action_copy(self) -> None:
        subject = self.acted_on()
        if subject is None:
            return
        secrets = "with secrets" if self.secrets else "without secrets"
        choices: list[Choice] = [("u", "URL", ""), ("c", "curl command", secrets)]
        if copying.headers_of(subject, secrets=True):
            choices.append(("h", "headers", secrets))
        result = subject.result
        if result is not None and result.body_size:
            choices.append(("b", "body", amount(result.body_size)))
        self.app.push_screen(CopyScreen(choices), partial(self._copy, subject))

    def _copy(self, subject: DetailsTarget, what: str | None) -> None:
        if what == "URL":
            self._say(copying.copy(self.app, copying.url_of(subject, secrets=self.secrets), "URL"))
        elif what == "curl command":
            self._say(copying.copy(self.app, copying.curl_of(subject, secrets=self.secrets), "curl command"))
        elif what == "headers":
            self._say(copying.copy(self.app, copying.headers_of(subject, secrets=self.secrets), "headers"))
        elif what == "body":
            self.app.run_worker(self._copy_body(subject), exit_on_error=True)

    async def _copy_body(self, subject: DetailsTarget) -> None:
        text = await asyncio.to_thread(copying.body_of, subject)
        if text is None:
            self._say("the body is not text; s saves it", bad=True)
        else:
            self._say(copying.copy(self.app, text, "body"))

    # save

    def action_save(self) -> None:
        subject = self._with_body()
        if subject is not None and subject.result is not None:
            name = safe(default_name(subject.result), 200)
            source = BodySource.of(subject.result, trimmed=subject.trimmed)
            self.app.push_screen(AskScreen("Save as", name), partial(self._save_as, source, name))

    def _save_as(self, source: BodySource, name: str, given: str | None) -> None:
        if not given or not given.strip():
            return
        path = os.path.abspath(os.path.expanduser(given.strip()))
        if os.path.isdir(path):
            path = os.path.join(path, name)
        left = source.available()
        if left < source.size:
            where = f" here, all of it at {source.elsewhere}" if source.elsewhere is not None else ""
            question = safe(f"Only the {of_how_much(left, source.size)} is left{where}. Save that?", 400)
            self.app.push_screen(ConfirmScreen(question, "save"), partial(self._save_part, source, path))
        else:
            self._save_part(source, path, True)

    def _save_part(self, source: BodySource, path: str, yes: bool | None) -> None:
        if yes and os.path.lexists(path):
            is_file = os.path.isfile(path) or not os.path.exists(path)
            what = ("There is a file of this name. Overwrite it?", "overwrite")
            question, verb = what if is_file else ("This is not a regular file. Write to it?", "write")
            self.app.push_screen(ConfirmScreen(question, verb), partial(self._overwrite, source, path))
        elif yes:
            self.app.run_worker(self._save(source, path, overwrite=False))

    def _overwrite(self, source: BodySource, path: str, yes: bool | None) -> None:
        if yes:
            self.app.run_worker(self._save(source, path, overwrite=True))

    async def _save(self, source: BodySource, path: str, *, overwrite: bool) -> None:
        try:
            size = await asyncio.to_thread(partial(write_body, source, path, overwrite=overwrite))
        except OSError as error:
            self._say(f"not saved: {error.strerror or error} ({path})", bad=True)
        else:
            self._say(f"saved {amount(size)} as {path}")

    # other programs

    def action_pager(self) -> None:
        self._run_program(pager=True)

    def action_editor(self) -> None:
        self._run_program(pager=False)

    def _run_program(self, *, pager: bool) -> None:
        subject = self._with_body()
        if subject is None or subject.result is None:
            return
        try:
            command = pager_command() if pager else editor_command()
        except NoProgram as missing:
            self._say(str(missing), bad=True)
            return
        source = BodySource.of(subject.result, trimmed=subject.trimmed)
        self.app.run_worker(self._show_body(source, command), group="outside", exclusive=True)

    async def _show_body(self, source: BodySource, command: list[str]) -> None:
        said = await show_body(self.app, source, command)
        if not said and source.elsewhere is not None:
            said = await asyncio.to_thread(source.why_incomplete)
        if said:
            self._say(said, bad=True)

    def _with_body(self) -> DetailsTarget | None:
        subject = self.acted_on()
        if subject is None:
            return None
        if subject.result is None or not subject.result.body_size:
            self._say("there is no body", bad=True)
            return None
        return subject

    def _say(self, text: str, *, bad: bool = False) -> None:
        self.app.notify(safe(text, 300), severity="warning" if bad else "information", markup=False)
