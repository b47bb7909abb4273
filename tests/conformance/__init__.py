"""Kubernetes' own conformance suite against a cluster that hardway built: `make conformance`, part of `make soak`.

What is done, and which module beside this does it:

    module      the Go module to compile the suite from: the pinned one, and what Kubernetes' own go.mod adds to it
    programs    e2e.test, ginkgo and the programs of the test images, compiled once and kept in the cache
    root        a small Debian with the tools that tests call: what most test images stand on
    manifest    the names and tags of the images, as the suite's source has them
    images      the images: stand-ins made here, without a registry
    layout      a folder with all of them, as the OCI describes it
    registry    serves that folder to the nodes at the lab's gateway
    nodes       tells the workers' containerd of it, and has them pull everything beforehand
    suite       which tests there are, which must run alone, and how to ask ginkgo for some
    progress    hears of every test as it ends, so that a process that dies takes no results with it
    run         one run of ginkgo, which is gone afterwards with all its processes
    report      what ginkgo wrote of a run
    conduct     all the runs: the parallel tests, those that must be alone, and once more what did not pass
    verdicts    what that comes to for each test; not_runnable.yaml says what cannot pass here, and why
    table       that as a table, for the terminal and as Markdown

CONFORMANCE_ONLY=REGEX in the environment runs the tests whose names match it, to try a few.
"""
