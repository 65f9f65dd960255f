"""Plans, usage and subscriptions of the sandbox (v3), and the questions that a gateway asks about them.

Zuplo publishes no machine-readable contract for this part: paths and bodies follow its guides, list and answer
shapes those of OpenMeter, which it is built on. Whatever neither settles has a switch in sandbox/switches.py.
"""
