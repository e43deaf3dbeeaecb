"""The program: the dashboard, runs without a screen, and their options. May import `fetch_engine`."""
