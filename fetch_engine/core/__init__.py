"""The engine: handles, the scheduler behind them, host queues, session and ledger. Imports fetch, inspect and below."""
