"""The program of a sandbox job that runs many solutions against many test modules in one process.

Nothing of kodcode imports it: `tasks.trust.program` makes one text of its modules. They import the standard library
alone; pytest only where the tests do.

It knows a part of pytest: functions, classes, fixtures of the module, parametrize, unittest.TestCase. A test module
that needs more is `unsupported`, and no outcome is made up for it.
"""
