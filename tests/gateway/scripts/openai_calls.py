# SPDX-License-Identifier: Apache-2.0
"""Runs where the official `openai` client is: makes every kind of call, prints what the client saw as JSON.

Usage: openai_calls.py BASE_URL KEY
"""

import json
import sys

import openai


def client(base, key, **more):
    return openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=20, **more)


def failure(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "param": error.param,
            "message": error.message,
            "request_id": error.request_id,
        }
    except openai.APIError as error:
        return {"class": type(error).__name__, "code": error.code, "message": error.message, "type": error.type}
    return {"class": "none"}


def consume(stream):
    chunks = list(stream)
    last = chunks[-2] if chunks[-1].usage else chunks[-1]
    return {
        "count": len(chunks),
        "text": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
        "choices_always": all(c.choices is not None for c in chunks),
        "index_zero": all(choice.index == 0 for c in chunks for choice in c.choices),
        "finish": last.choices[0].finish_reason,
        "usage": chunks[-1].usage.model_dump() if chunks[-1].usage else None,
        "model": chunks[0].model,
        "extra": last.model_dump().get("colonnade"),
        "annotations": last.choices[0].delta.model_dump().get("annotations"),
    }


def helper(api, model, question):
    """The `.stream()` helper, which is stricter than iterating."""
    create = getattr(api.chat.completions, "stream", None) or api.beta.chat.completions.stream
    with create(
        model=model, messages=[{"role": "user", "content": question}], stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type for event in stream]
        done = stream.get_final_completion()
    return {"kinds": sorted(set(kinds)), "text": done.choices[0].message.content, "usage": done.usage.total_tokens}


def main(base, key):
    api = client(base, key)
    ask = lambda model, text, **more: api.chat.completions.create(  # noqa: E731
        model=model, messages=[{"role": "user", "content": text}], **more
    )
    out = {"version": openai.__version__}
    out["models"] = [m.id for m in api.models.list()]
    out["model"] = api.models.retrieve("assistant").model_dump()
    question = "How much may a hotel night cost?"
    whole = ask("assistant", question)
    message = whole.choices[0].message
    out["whole"] = {
        "text": message.content,
        "usage": whole.usage.model_dump(),
        "request_id": whole._request_id,
        "annotations": [a.model_dump() for a in message.annotations],
        "extra": message.model_dump()["colonnade"],
    }
    out["stream"] = consume(ask("assistant", question, stream=True, stream_options={"include_usage": True}))
    out["stream_without_usage"] = consume(ask("assistant", question, stream=True))["usage"]
    out["helper"] = helper(api, "assistant", question)
    past = {"colonnade": {"as_of": "2026-09-18T00:00:00Z"}}
    out["as_of"] = ask("assistant", "What is the price of the anchor bolt?", extra_body=past).choices[0].message.content
    out["abstained"] = ask("assistant", "Who won the chess final in Oslo?").choices[0].message.model_dump()["colonnade"]
    out["passed"] = ask("chat", "Hi").choices[0].message.content
    out["passed_stream"] = consume(ask("chat", "Hi", stream=True, stream_options={"include_usage": True}))
    out["passed_helper"] = helper(api, "chat", "Hi")
    vectors = api.embeddings.create(model="all-MiniLM-L6-v2", input=["hotel night", "rope"])
    out["embeddings"] = {
        "lengths": [len(v.embedding) for v in vectors.data],
        "norms": [sum(x * x for x in v.embedding) ** 0.5 for v in vectors.data],
        "floats": api.embeddings.create(model="all-MiniLM-L6-v2", input="rope", encoding_format="float")
        .data[0]
        .embedding[:400],
        "usage": vectors.usage.model_dump(),
    }
    out["same"] = out["embeddings"]["floats"] == vectors.data[1].embedding
    out["wrong_key"] = failure(lambda: client(base, "nonsense").models.list())
    out["unknown_model"] = failure(lambda: ask("nothing", "Hi"))
    out["wrong_type"] = failure(lambda: ask("assistant", "Hi", temperature="hot"))
    out["responses"] = failure(lambda: api.responses.create(model="assistant", input="Hi"))
    out["too_large"] = failure(lambda: ask("assistant", "x" * 200_000))
    out["as_somebody"] = failure(lambda: ask("assistant", "Hi", extra_headers={"x-colonnade-as": "heidi"}))
    print(json.dumps(out))


def errors(base, key, models):
    """What the client makes of streams that go wrong, one model each."""
    api = client(base, key)

    def call(model):
        return list(api.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True))

    print(json.dumps({model: failure(lambda model=model: call(model)) for model in models}))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        errors(sys.argv[1], sys.argv[2], sys.argv[3:])
    else:
        main(*sys.argv[1:3])
