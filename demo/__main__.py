"""The story of the demo, told in commands. Run by `make demo`; takes about three minutes once programs are built."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from demo.stage import REFUSED, Stage

APP: Final = "demo/app.yaml"
TODAY: Final = "2026-10-20"  # a day on which both minors are supported
_TRAFFIC: Final = "pilotage-sandbox traffic --name demo --service edge/shop-gateway --drain 30"
_PLAIN_ENVOY: Final = '{"spec":{"values":{"telemetry":{"enabled":false}}}}'
_SPACES: Final = {"shop": ("web", "cart", "checkout"), "billing": ("invoices", "ledger"), "search": ("api", "index")}


def main() -> None:
    os.chdir(Path(__file__).resolve().parents[1])
    scripts = sysconfig.get_path("scripts")
    stage = Stage({"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"})
    try:
        _sandbox(stage)
        _mesh_and_app(stage)
        _gateway(stage)
        with stage.beside(_TRAFFIC) as traffic:
            _start(stage)
            _first_namespace(stage)
            _all_others(stage)
            _decide(stage)
            _look_around(stage)
            stage.title("What the traffic through the gateways came to, from before the start to after the decision")
            traffic.end()
        _farewell(stage)
    except KeyboardInterrupt:
        print("\ndemo: interrupted. Remove the sandbox with: pilotage-sandbox down --name demo", file=sys.stderr)
        sys.exit(130)


def _sandbox(stage: Stage) -> None:
    stage.title("A Kubernetes control plane on this machine")
    stage.say("Real API server, controllers and istiod; nodes and application pods are simulated. No containers.")
    stage.run("pilotage-sandbox down --name demo")
    stage.run("pilotage-sandbox up --name demo")
    stage.export("KUBECONFIG", _answer(stage, "pilotage-sandbox", "kubeconfig", "--name", "demo"))
    stage.export("PILOTAGE_TODAY", TODAY)
    stage.say("In the sandbox both revisions are one Istio build, 1.31: they differ in name, image and configuration.")


def _mesh_and_app(stage: Stage) -> None:
    stage.title("A mesh on asm-1-30, and an application of seven workloads in three namespaces")
    stage.export("CHARTS", _charts(stage))
    stage.run("pilotage enable --revision asm-1-30 --profile aks --charts $CHARTS")
    stage.run("pilotage tag set prod-stable --revision asm-1-30")
    stage.run(f"kubectl apply -f {APP}")
    for space in _SPACES:
        _await_rollouts(stage, space)
    stage.run("pilotage status")


def _gateway(stage: Stage) -> None:
    stage.title("A gateway, and requests through it: 300 a second, and ten streams")
    stage.say("Its pods are real Envoys, without Istio's own filter that counts: istiod must not ask for that one.")
    stage.run(f"kubectl patch servicemesh default --type merge --patch '{_PLAIN_ENVOY}'")
    stage.run("pilotage gateway enable --type external --name shop-gateway --namespace edge")
    stage.run("pilotage gateway list")
    stage.say("From here on traffic flows. Its figures come at the end; a request that is lost is not sent again.")


def _start(stage: Stage) -> None:
    stage.title("A new control plane beside the old one")
    stage.run("pilotage get-upgrades")
    stage.run("pilotage upgrade start --revision asm-1-31")
    stage.run("pilotage tag set prod-canary --revision asm-1-31")
    stage.run("kubectl get pods -n aks-istio-system")
    stage.say("Deciding now would strand every proxy of asm-1-30. It is refused, with what holds it and what frees it:")
    stage.run("pilotage upgrade complete --yes", code=REFUSED)


def _first_namespace(stage: Stage) -> None:
    stage.title("One namespace moves first")
    stage.run("pilotage namespace move search --to prod-canary")
    stage.say("The label alone changes no running pod; a restart does, one workload at a time, each waited for.")
    stage.run("pilotage restart -n search --all")
    stage.run("pilotage status")


def _all_others(stage: Stage) -> None:
    stage.title("Then all others: one tag is moved, no namespace is relabelled")
    stage.run("pilotage tag set prod-stable --revision asm-1-31 --overwrite")
    stage.run("pilotage tag list")
    stage.run("pilotage restart --not-on asm-1-31")


def _decide(stage: Stage) -> None:
    stage.title("The decision")
    stage.run("pilotage check")
    stage.run("pilotage upgrade complete --yes")
    stage.run("pilotage namespace move search --to prod-stable")
    stage.run("pilotage tag remove prod-canary --skip-confirmation")


def _look_around(stage: Stage) -> None:
    stage.title("Where the mesh is now")
    stage.run("pilotage status")


def _farewell(stage: Stage) -> None:
    kubeconfig, scripts = stage.environment["KUBECONFIG"], sysconfig.get_path("scripts")
    print("\nLook around:\n")
    print(f"  export KUBECONFIG={kubeconfig} PILOTAGE_TODAY={TODAY} PATH={scripts}:$PATH")
    print("  kubectl get pods -A                      the whole cluster")
    print("  kubectl get smesh default -o yaml        what Pilotage keeps")
    print("  pilotage get-upgrades; pilotage check    ask again")
    print("  pilotage-sandbox status --name demo      what runs; `logs` shows what it said")
    print("\nAnd when you are done:\n\n  pilotage-sandbox down --name demo")


def _await_rollouts(stage: Stage, space: str) -> None:
    for name in _SPACES[space]:
        kind = "statefulset" if name == "ledger" else "deployment"
        stage.run(f"kubectl rollout status {kind} {name} -n {space} --timeout=120s")


def _charts(stage: Stage) -> str:
    """Folder of the charts that the sandbox's istiod was built with."""
    lines = _answer(stage, "pilotage-sandbox", "assets").splitlines()
    return next(path for name, path in (line.split("\t") for line in lines) if name == "charts")


def _answer(stage: Stage, *words: str) -> str:
    return subprocess.check_output(words, env=stage.environment, text=True).strip()


if __name__ == "__main__":
    main()
