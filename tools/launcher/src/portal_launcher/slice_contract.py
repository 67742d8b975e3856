"""Do a service's slices keep apart? A contract type of import-linter, as no list could name slices to come.

A folder of a service is a slice, unless the contract lists it as shared; a file beside the folders is shared.
A slice imports no other slice, what is shared imports no slice, and neither imports what wires (app, worker).
"""

from __future__ import annotations

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

WIRING = frozenset({"app", "worker", "__main__"})


class SlicesContract(Contract):
    """Slices of one service are independent of each other."""

    type_name = "slices"

    service = fields.StringField()
    shared = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - the interface
        """Look at every import inside the service."""
        service = str(self.service)
        shared = {str(name) for name in cast("set[str]", self.shared or ())}
        parts = {child.rpartition(".")[2] for child in graph.find_children(service)}
        slices = {part for part in parts - shared - WIRING if graph.find_children(f"{service}.{part}")}
        broken = []
        for importer in sorted(graph.find_descendants(service)):
            here = importer.split(".")[1]
            if here in WIRING:
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                package, _, rest = imported.partition(".")
                there = rest.partition(".")[0]
                if package == service and there != here and there in slices | WIRING:
                    broken.append((importer, imported))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each forbidden import."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} must not import {imported}")
