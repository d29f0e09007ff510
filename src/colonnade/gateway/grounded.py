# SPDX-License-Identifier: Apache-2.0
"""A service with knowledge and a language model: numbered passages go out, sentences come back and are checked one by
one.

When the topic is not in the sources the model is not asked. When it is dead, slow or unverifiable, the quotes of the
extractive answer take its place and the text says so. What is checked and how stands in `knowledge.ground`; here is
only the flow.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from colonnade.core.answers import Answer, Asker, Citation, Found
from colonnade.core.errors import UpstreamDown
from colonnade.gateway.backend import Route, Upstream
from colonnade.gateway.bodies import ChatRequest, instant_ms
from colonnade.gateway.chunks import ChunkWriter, completion, estimated_tokens
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.conversation import split
from colonnade.gateway.frames import BrokenStream, Frames, Usage
from colonnade.gateway.http import Answered, Request, StreamResponse, offload
from colonnade.gateway.render import MARKER
from colonnade.knowledge.ground.composer import Composer
from colonnade.knowledge.ground.flow import SentenceFlow
from colonnade.knowledge.ground.prompt import NO_ANSWER, messages
from colonnade.ports.noted import note, stage

DOWN = "The language model did not answer; these are quotes from the sources."
BROKE_OFF = "The language model broke off here; these are quotes from the sources."
UNVERIFIED = "The language model's answer could not be verified against the sources; these are quotes from them."
NOT_ANSWERED = "The sources that you may read speak of this, but do not answer it."
PASSED_ON = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "reasoning_effort")


class _Delta(Struct, frozen=True):
    content: str | None = None


class _Choice(Struct):
    delta: _Delta = _Delta()
    message: _Delta = _Delta()


class _Chunk(Struct):
    choices: list[_Choice] = []
    error: Any = None
    usage: Usage | None = None


_chunk = msgspec.json.Decoder(_Chunk).decode


async def grounded(context: Context, request: Request, route: Route, asked: ChatRequest) -> Answered:
    """A chat completion from knowledge by a language model, streamed or whole."""
    question, history = split(asked.messages)
    as_of_ms = instant_ms(asked.colonnade.as_of, "colonnade.as_of") if asked.colonnade else None
    options = {name: value for name in PASSED_ON if (value := getattr(asked, name)) is not None}
    run = Grounding(context, context.asker(request, asked.as_), route, question, history, options)
    await run.prepare(as_of_ms)
    request.ref = run.fallback.ref
    created_s = context.backend.now_ms() // 1000
    if asked.stream:
        include_usage = bool(asked.stream_options and asked.stream_options.include_usage)
        writer = ChunkWriter(request.ref, route.name, created_s, include_usage=include_usage)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamResponse(_chunks(run, writer, request.base_url), headers=headers)
    answer = await run.whole()
    return json_response(
        completion(
            answer, route.name, created_s, request.base_url, run.usage.prompt_tokens, run.usage.completion_tokens
        )
    )


async def grounded_answer(
    context: Context,
    asker: Asker,
    route: Route,
    question: str,
    history: Sequence[Mapping[str, str]],
    as_of_ms: int | None,
) -> Answer:
    """The same for `/v1/ask` and MCP: the answer alone, recorded."""
    run = Grounding(context, asker, route, question, history, {})
    await run.prepare(as_of_ms)
    return await run.whole()


async def _chunks(run: Grounding, writer: ChunkWriter, base: str) -> AsyncIterator[bytes]:
    yield writer.start()
    async for text in run.texts():
        yield writer.text(text)
    yield writer.finish(run.answer, base, run.usage.prompt_tokens, run.usage.completion_tokens)


class Grounding:
    """One grounded answer in the making. `texts` may be consumed once; then `answer` and `usage` stand and are
    recorded.
    """

    def __init__(
        self,
        context: Context,
        asker: Asker,
        route: Route,
        question: str,
        history: Sequence[Mapping[str, str]],
        options: Mapping[str, Any],
    ) -> None:
        self._context = context
        self._asker = asker
        self._route = route
        self._question = question
        self._history = history
        self._options = options
        self._started = time.perf_counter()
        self._shown: list[str] = []
        self._recorded = False
        self._way = "extractive"
        self._as_of_ms: int | None = None
        self.usage = Usage()
        self.answer: Answer

    async def prepare(self, as_of_ms: int | None) -> None:
        """Fetch the passages. Raises what the house raises, before anything is streamed."""
        self._as_of_ms = as_of_ms
        backend = self._context.backend
        self._understood, self._passages, self.fallback = await offload(
            backend.passages, self._asker, self._route.name, self._question, history=self._history, as_of_ms=as_of_ms
        )
        self._composer = Composer(self._passages, self._understood)

    async def whole(self) -> Answer:
        """Consume the texts; the answer."""
        async for _ in self.texts():
            pass
        return self.answer

    async def texts(self) -> AsyncIterator[str]:
        """The answer's text as it grows: joined it is `answer.answer`."""
        try:
            async for text in self._texts():
                self._shown.append(text)
                yield text
            await self._record()
        finally:
            if not self._recorded:
                self._record_cut_off()

    async def _texts(self) -> AsyncIterator[str]:
        if not self._passages or (self.fallback.status == "abstained" and self.fallback.reason == "topic"):
            self.answer = self.fallback
            yield self.fallback.answer
            return
        flow, composer = SentenceFlow(), self._composer
        first = ""
        try:
            async for piece in self._model():
                for sentence in flow.feed(piece):
                    first = first or sentence.strip()
                    if first.startswith(NO_ANSWER):
                        break
                    if shown := composer.add(sentence):
                        yield shown
            for sentence in flow.rest():
                first = first or sentence.strip()
                if not first.startswith(NO_ANSWER) and (shown := composer.add(sentence)):
                    yield shown
        except (UpstreamDown, BrokenStream):
            async for text in self._instead(BROKE_OFF if composer.verified else DOWN):
                yield text
            return
        if first.startswith(NO_ANSWER):
            self.answer = self._made("abstained", NOT_ANSWERED, (), reason="unsupported")
            yield NOT_ANSWERED
        elif not composer.verified:
            async for text in self._instead(UNVERIFIED):
                yield text
        else:
            self.answer = self._made("answered", "".join(self._shown), tuple(composer.citations), note=self._doubts())

    async def _instead(self, note: str) -> AsyncIterator[str]:
        """The extractive answer in the model's place, or after what it said before it broke off."""
        self._way = "fallback"
        quoted, before = self.fallback, "".join(self._shown)
        offset = len(self._composer.citations)
        body = MARKER.sub(lambda m: f"[{int(m.group(1)) + offset}]", quoted.answer)
        text = f"\n\n{note}\n\n{body}" if before else f"{note}\n\n{body}"
        citations = (*self._composer.citations, *quoted.citations)
        status = "answered" if before else quoted.status
        self.answer = self._made(status, before + text, citations, note=note, reason="" if before else quoted.reason)
        yield text

    def _made(
        self, status: str, text: str, citations: tuple[Citation, ...], *, note: str = "", reason: str = ""
    ) -> Answer:
        shown = {p.document: p.content for p in self._passages}
        ms = int((time.perf_counter() - self._started) * 1000)
        signals = self.fallback.signals
        return Answer(
            self.fallback.ref, status, text, citations, reason, signals, note, tuple(shown), tuple(shown.values()), ms
        )

    def _doubts(self) -> str:
        """What the reader should know of the sentences that did not pass."""
        parts = []
        if self._composer.unverified:
            parts.append(f"Marked [unverified], because no source bears it: {self._composer.unverified} sentence(s).")
        if self._composer.withheld:
            parts.append(f"Withheld, because the cited source does not exist: {self._composer.withheld} sentence(s).")
        return " ".join(parts)

    async def _model(self) -> AsyncIterator[str]:
        """Text from the language model as it comes. Raises `UpstreamDown`, `BrokenStream`."""
        upstream = self._route.upstream
        assert upstream is not None
        self._way = "model"
        sent = self._sent(upstream, self._passages)
        told = estimated_tokens(sent.decode())
        frames = Frames((b"", b""), keep_usage=True)
        said = 0
        with stage("upstream"):
            async with self._context.upstreams.chat(upstream, sent) as response:
                if response.status != 200:
                    raise UpstreamDown("The language model refused.")
                if not response.content_type.endswith("event-stream"):
                    async for text in _pieces(b"data: " + await response.content.read(4 * 1024 * 1024)):
                        said += estimated_tokens(text)
                        yield text
                    frames.done = True
                async for block in response.content.iter_any():
                    broken = False
                    try:
                        whole = frames.feed(block)
                    except BrokenStream as wrong:
                        whole, broken = wrong.before, True
                    async for text in _pieces(whole):
                        said += estimated_tokens(text)
                        yield text
                    if broken:
                        raise UpstreamDown("The language model's stream is broken.")
                    if frames.done:
                        break
        self.usage = frames.usage or Usage(told, said)
        if not frames.done and not frames.finished:
            raise UpstreamDown("The language model broke off its answer.")

    def _sent(self, upstream: Upstream, passages: Sequence[Found]) -> bytes:
        said = messages(self._question, self._history, passages, secrets.token_hex(12))
        body = {"model": upstream.model, "messages": said, "stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode({**self._options, **body})

    async def _record(self) -> None:
        self._recorded = True
        self._note(self.answer.status)
        await offload(self._write)

    def _note(self, outcome: str) -> None:
        """What a trace holds of it."""
        upstream, usage = self._route.upstream, self.usage
        model = upstream.model if upstream is not None and self._way != "extractive" else ""
        note(self._route.name, outcome, model, usage.prompt_tokens, usage.completion_tokens)

    def _write(self) -> None:
        usage = self.usage
        self._context.backend.record_answer(
            self._asker,
            self._route.name,
            self._understood,
            self.answer,
            way=self._way,
            as_of_ms=self._as_of_ms,
            tokens_in=usage.prompt_tokens,
            tokens_out=usage.completion_tokens,
        )

    def _record_cut_off(self) -> None:
        """The client has gone amid the answer: what it saw is recorded, without anybody waiting for it."""
        self._recorded = True
        note = "The asker left before the answer ended."
        self.answer = self._made("answered", "".join(self._shown), tuple(self._composer.citations), note=note)
        self._note("cancelled")
        asyncio.get_running_loop().run_in_executor(None, self._write)


async def _pieces(frames: bytes) -> AsyncIterator[str]:
    """The text in whole frames. Raises `UpstreamDown` for an error among them, `BrokenStream` for nonsense."""
    for frame in frames.split(b"\n\n"):
        if not frame.startswith(b"data: ") or frame == b"data: [DONE]":
            continue
        try:
            chunk = _chunk(frame[6:])
        except msgspec.DecodeError as wrong:
            raise BrokenStream("a chunk that is not JSON") from wrong
        if chunk.error is not None:
            raise UpstreamDown("The language model reported an error.")
        for choice in chunk.choices[:1]:
            text = choice.delta.content or choice.message.content
            if text:
                yield text
