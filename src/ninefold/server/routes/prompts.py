"""`/v1/prompts`: how a prompt is read."""

from __future__ import annotations

from ninefold.server.dependencies import Known, ServiceDep
from ninefold.server.problems import responses
from ninefold.server.prompt_reading import PromptDocument, PromptRequest, read_prompt
from ninefold.server.router import Router
from ninefold.server.routes.examples import PROMPT

router = Router(prefix="/v1/prompts", tags=["prompts"])


@router.post("/parse", responses={200: PROMPT, **responses(body=True)})
async def parse_prompt(
    caller: Known, service: ServiceDep, request: PromptRequest
) -> PromptDocument:
    """Read a prompt without painting it: every construct in its place, and what may come of it.

    What is wrong with the prompt is in the answer; only a request that cannot be met at all, such
    as a model that is not here, is a problem.
    """
    return await service.call(read_prompt, request, service.limits, service.engines)
