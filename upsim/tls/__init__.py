"""TLS on this machine: certificates made on the spot, and connections whose TLS ends here.

Knows neither HTTP nor the simulator. What a key signs lives as long as the process; nothing is installed anywhere.
"""
