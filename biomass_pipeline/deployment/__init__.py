"""What `docker/dagster.yaml` names: storage and run launcher that get over a restart of the other.

Webserver and daemon import it, so nothing here may import the graph or what it needs.
"""
