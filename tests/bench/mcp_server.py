"""What the sidecar's start, memory and pings are compared with: a server of the MCP Python SDK on stdio, with one tool.

The low-level form of release 1: it is started and answers at least as fast as the SDK's other forms (FastMCP needs as
long, release 2 half as long again).
"""

from __future__ import annotations

from typing import Any

import anyio
import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server


async def list_tools() -> list[types.Tool]:
    """The one tool."""
    text = {"type": "object", "properties": {"text": {"type": "string"}}}
    return [types.Tool(name="echo", description="Say it again.", inputSchema=text)]


async def call_tool(_name: str, arguments: dict[str, Any]) -> list[types.TextContent]:
    """Do it."""
    return [types.TextContent(type="text", text=arguments["text"])]


async def main() -> None:
    """Serve until stdin ends."""
    server: Any = Server("bench")
    server.list_tools()(list_tools)
    server.call_tool()(call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
