"""How the next token is chosen, and how likely the chosen ones were.

Owns the sampling parameters, their bounds and what they mean. The engine's defaults are those of llama.cpp's
`llama-server --help` in 2026; which kind of engine knows which parameter is in `engines/kinds/samplers`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from sidecar.contract.method import Params, Result

MAX_STOPS = 64
MAX_BIASES = 1024
"""More than the 300 of OpenAI's API, and few enough to be searched at each token."""

MAX_GRAMMAR_CHARACTERS = 1_000_000
"""As long as the longest chat template, in plain letters."""

StopText = Annotated[str, Meta(min_length=1)]
"""An empty text would end every answer before its first token."""

Penalty = Annotated[float, Meta(ge=-2, le=2)]
"""The range of OpenAI's API."""

Window = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class SamplingParams(Params, kw_only=True):
    """How the next token is chosen. Omitted settings come from the session, then the config, then the engine."""

    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None, Meta(description="0 always chooses the likeliest token.")
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Nucleus sampling; 1 disables it.")
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description="Likeliest tokens to choose from; 0 is all."),
    ] = None
    min_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Minimum probability, relative to that of the likeliest token."),
    ] = None
    max_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=2**31 - 1)] | None,
        Meta(description="Maximum length of the answer. Default: until the model stops or the context is full."),
    ] = None
    repeat_penalty: Annotated[Annotated[float, Meta(ge=0, le=100)] | None, Meta(description="1 disables it.")] = None
    seed: Annotated[
        Annotated[int, Meta(ge=-1, le=2**32 - 1)] | None, Meta(description="-1 chooses a new seed each time.")
    ] = None
    stop: Annotated[
        Annotated[list[StopText], Meta(max_length=MAX_STOPS)] | StopText | None,
        Meta(description="Texts that end the answer."),
    ] = None
    frequency_penalty: Annotated[
        Penalty | None,
        Meta(description="Makes tokens less likely the more often they were used. Engine's default: 0, disabled."),
    ] = None
    presence_penalty: Annotated[
        Penalty | None, Meta(description="Makes tokens less likely that were used. Engine's default: 0, disabled.")
    ] = None
    repeat_last_n: Annotated[
        Window | None,
        Meta(description="How many last tokens the penalties count; 0 is none. Engine's default: 64."),
    ] = None
    typical_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Locally typical sampling. Engine's default: 1, disabled."),
    ] = None
    top_n_sigma: Annotated[
        Annotated[float, Meta(ge=-1, le=100)] | None,
        Meta(description="Tokens within so many standard deviations of the likeliest. Engine's default: -1, disabled."),
    ] = None
    xtc_probability: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="How often XTC excludes the likeliest tokens. Engine's default: 0, never."),
    ] = None
    xtc_threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Probability above which XTC excludes; beyond 0.5 it has no effect. Engine's default: 0.1."),
    ] = None
    dry_multiplier: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Strength of DRY against repeated sequences. Engine's default: 0, disabled."),
    ] = None
    dry_base: Annotated[
        Annotated[float, Meta(ge=1, le=100)] | None,
        Meta(description="How DRY grows with the length of a repetition. Engine's default: 1.75."),
    ] = None
    dry_allowed_length: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description="Tokens that may repeat without DRY. Engine's default: 2."),
    ] = None
    dry_penalty_last_n: Annotated[
        Window | None,
        Meta(description="How many last tokens DRY searches; 0 is none. Engine's default: 64."),
    ] = None
    dry_sequence_breakers: Annotated[
        Annotated[list[StopText], Meta(min_length=1, max_length=MAX_STOPS)] | None,
        Meta(description='Texts at which DRY begins again. Engine\'s default: "\\n", ":", "\\"", "*".'),
    ] = None
    dynatemp_range: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="How far the temperature moves with the entropy. Engine's default: 0, disabled."),
    ] = None
    dynatemp_exponent: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="How fast it moves with the entropy. Engine's default: 1."),
    ] = None
    mirostat: Annotated[
        Annotated[int, Meta(ge=0, le=2)] | None,
        Meta(description="Mirostat 1 or 2 in place of top_k, top_p and typical_p. Engine's default: 0, disabled."),
    ] = None
    mirostat_tau: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Entropy that Mirostat aims at. Engine's default: 5."),
    ] = None
    mirostat_eta: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Mirostat's learning rate. Engine's default: 0.1.")
    ] = None
    logit_bias: Annotated[
        Annotated[
            dict[Annotated[str, Meta(min_length=1)], Annotated[float, Meta(ge=-100, le=100)]],
            Meta(max_length=MAX_BIASES),
        ]
        | None,
        Meta(description="Added to a token's logit, -100 to 100. A key is the token's number, or else its text."),
    ] = None
    grammar: Annotated[
        Annotated[str, Meta(min_length=1, max_length=MAX_GRAMMAR_CHARACTERS)] | None,
        Meta(description="A grammar in GBNF that the answer follows; not together with response_format or tools."),
    ] = None
    logprobs: Annotated[
        bool | None,
        Meta(description="Return how likely each token was, as `logprobs` of the result; not together with tools."),
    ] = None
    top_logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None,
        Meta(description="Likeliest tokens to return at each place; more than 0 includes `logprobs`. Default 0."),
    ] = None
    sampling_extra: Annotated[
        dict[str, Any] | None,
        Meta(
            description=(
                "Further sampling parameters in the engine's own words, passed on as they are; llama.cpp ignores those"
                " that it does not know. Names that have a parameter here, or change what is asked, are refused."
            )
        ),
    ] = None


class LikelyToken(Result, kw_only=True):
    """A token, and how likely it was."""

    token: Annotated[str, Meta(description="Its text; a part of a character is replaced by U+FFFD.")]
    logprob: Annotated[float, Meta(description="Natural logarithm of its probability.")]
    bytes: Annotated[list[int] | None, Meta(description="Its text in UTF-8, also of a part of a character.")] = None


class TokenLogprob(LikelyToken, kw_only=True):
    """A token of the answer, and those that were likeliest in its place."""

    top_logprobs: list[LikelyToken] = field(default_factory=list)
