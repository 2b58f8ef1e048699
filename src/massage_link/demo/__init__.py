"""The demo: the bookings of a shipped file travel the whole way, and every step is measured and checked.

book → alert → room → chat → accept → complete → commission, over real HTTP and WebSocket, on the embedded server. The
parts that decide (`orders`, `record`, `verdict`) are pure; `run` is where things happen, `view` is what is shown.
"""
