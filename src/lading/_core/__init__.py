"""The flows, each written once: `async def` over an `IO`, run by a loop or stepped without one."""
