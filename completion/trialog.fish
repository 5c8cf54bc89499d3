# fish completion for trialog; made by 'trialog completion fish'

function __trialog_command
    string match -q -- "* $argv[1] *" " "(commandline -opc | string join ' ')" "
end

function __trialog_no_command
    for c in $__trialog_commands
        __trialog_command $c; and return 1
    end
    return 0
end

function __trialog_studies
    set -l words (commandline -opc)
    set -l i (contains -i -- --storage $words)
    if test -n "$i"
        trialog study-names -q --storage $words[(math $i + 1)] 2>/dev/null
    else
        trialog study-names -q 2>/dev/null
    end
end

complete -c trialog -f
set -g __trialog_commands create-study delete-study study study-names studies copy optimize ask tell report enqueue best-trial best-trials trials export check repair compact unlock help version completion
complete -c trialog -n __trialog_no_command -a 'create-study' -d 'Create a new study and print its name.'
complete -c trialog -n '__trialog_command "create-study"' -l study-name -x -d 'the new study\'s name; a random one when left out'
complete -c trialog -n '__trialog_command "create-study"' -l direction -x -a 'minimize maximize' -d 'what to do with the objective value (default: minimize)'
complete -c trialog -n '__trialog_command "create-study"' -l directions -x -a 'minimize maximize' -d 'the same for several objectives, one word each'
complete -c trialog -n '__trialog_command "create-study"' -l skip-if-exists -d 'a study of this name that exists already is no error; it stays as it is'
complete -c trialog -n __trialog_no_command -a 'delete-study' -d 'Delete a study with all its trials.'
complete -c trialog -n '__trialog_command "delete-study"' -l study-name -x -a '(__trialog_studies)' -d 'the study to delete'
complete -c trialog -n __trialog_no_command -a 'study' -d 'Set a user attribute of a study.'
complete -c trialog -n '__trialog_command study; and not __trialog_command "study set-user-attr"' -a set-user-attr
complete -c trialog -n '__trialog_command "study set-user-attr"' -l study-name -x -a '(__trialog_studies)' -d 'the study to change'
complete -c trialog -n '__trialog_command "study set-user-attr"' -s k -l key -x -d 'name of the attribute'
complete -c trialog -n '__trialog_command "study set-user-attr"' -l value -x -d 'its value, a string'
complete -c trialog -n '__trialog_command "study set-user-attr"' -l json-value -x -d 'its value as JSON, such as 3, true or [1, 2]; instead of --value'
complete -c trialog -n __trialog_no_command -a 'study-names' -d 'Print the names of all studies.'
complete -c trialog -n '__trialog_command "study-names"' -s f -l format -x -a 'value json table yaml' -d 'how to print'
complete -c trialog -n '__trialog_command "study-names"' -l json -d 'short for --format json'
complete -c trialog -n __trialog_no_command -a 'studies' -d 'List studies with their directions, sizes and user attributes.'
complete -c trialog -n '__trialog_command "studies"' -s f -l format -x -a 'value json table yaml' -d 'how to print'
complete -c trialog -n '__trialog_command "studies"' -l json -d 'short for --format json'
complete -c trialog -n '__trialog_command "studies"' -l flatten -d 'one column for each direction'
complete -c trialog -n __trialog_no_command -a 'copy' -d 'Copy a study with its trials, attributes and times.'
complete -c trialog -n '__trialog_command "copy"' -l study-name -x -a '(__trialog_studies)' -d 'the study\'s name; may be left out when the journal has a single study'
complete -c trialog -n '__trialog_command "copy"' -l to -r -F -d 'the journal to copy to; created when it does not exist. Default: the same journal'
complete -c trialog -n '__trialog_command "copy"' -l to-study-name -x -d 'name of the copy. Default: the same name'
complete -c trialog -n __trialog_no_command -a 'optimize' -d 'Run a program again and again with other parameters.'
complete -c trialog -n '__trialog_command "optimize"' -l study-name -x -d 'the study; it is created when it does not exist'
complete -c trialog -n '__trialog_command "optimize"' -s p -l param -x -d 'a parameter: \'x=float(0,1)\', \'lr=float(1e-5,1e-1,log)\', \'n=int(2,12)\', \'m=int(0,100,step=10)\', \'c=choice(a,"b c",1,true)\'; with \'if\' and a condition on parameters before it: \'k=int(1,9) if c==a and n>=3\''
complete -c trialog -n '__trialog_command "optimize"' -l enqueue -x -d 'parameters to try first, unless they were tried already; parameters left out are chosen by the sampler'
complete -c trialog -n '__trialog_command "optimize"' -s n -l trials -x -d 'end when the study has N trials, whoever ran them; running and failed ones count'
complete -c trialog -n '__trialog_command "optimize"' -l trials-here -x -d 'begin at most N trials in this process'
complete -c trialog -n '__trialog_command "optimize"' -l refund-failed -d 'failed trials do not count for --trials'
complete -c trialog -n '__trialog_command "optimize"' -l max-failures -x -d 'end after N failed trials in a row in this process; 0: never. Default: 20 with --refund-failed, else 0'
complete -c trialog -n '__trialog_command "optimize"' -l timeout -x -d 'begin no trial after this time (30, 90s, 15m, 2h); running ones finish'
complete -c trialog -n '__trialog_command "optimize"' -l trial-timeout -x -d 'a program that runs longer is ended, and its trial fails'
complete -c trialog -n '__trialog_command "optimize"' -l grace -x -d 'a program that is told to end (SIGTERM) is killed after this time (SIGKILL)'
complete -c trialog -n '__trialog_command "optimize"' -s j -l jobs -x -d 'programs at a time in this process'
complete -c trialog -n '__trialog_command "optimize"' -l direction -x -a 'minimize maximize' -d 'what to do with the objective value (default: minimize)'
complete -c trialog -n '__trialog_command "optimize"' -l directions -x -a 'minimize maximize' -d 'the same for several objectives, one word each'
complete -c trialog -n '__trialog_command "optimize"' -l sampler -x -a 'random grid' -d 'who chooses the parameters (default: random)'
complete -c trialog -n '__trialog_command "optimize"' -l sampler-kwargs -x -d 'the sampler\'s options as a JSON object'
complete -c trialog -n '__trialog_command "optimize"' -l seed -x -d 'the sampler\'s seed; the same for all workers gives the same trials'
complete -c trialog -n '__trialog_command "optimize"' -l pruner -x -d 'who ends trials early by what they report with \'trialog-report STEP VALUE\' (default: nop, nobody)'
complete -c trialog -n '__trialog_command "optimize"' -l value-json -x -d 'the value is this field of the JSON that the program prints, such as loss or metrics.loss; once per objective'
complete -c trialog -n '__trialog_command "optimize"' -l value-pattern -x -d 'the value is the first group of the last line that matches (POSIX extended); once, with a group per objective, or once per objective'
complete -c trialog -n '__trialog_command "optimize"' -l log-dir -x -d 'keep what programs print in DIR/trial-NUMBER.out and .err; without it, -v shows it'
complete -c trialog -n '__trialog_command "optimize"' -l json -d 'print one JSON object per finished trial on standard output'
complete -c trialog -n '__trialog_command "optimize"' -l progress -x -a 'auto bar lines none' -d 'how to show progress on standard error; auto: a bar on a terminal, else a line per trial'
complete -c trialog -n __trialog_no_command -a 'ask' -d 'Begin a trial and print its number and parameters.'
complete -c trialog -n '__trialog_command "ask"' -l study-name -x -a '(__trialog_studies)' -d 'the study\'s name; may be left out when the journal has a single study'
complete -c trialog -n '__trialog_command "ask"' -l sampler -x -a 'random grid' -d 'who chooses the parameters: random (the default), grid, or Optuna\'s name for one of them'
complete -c trialog -n '__trialog_command "ask"' -l sampler-kwargs -x -d 'the sampler\'s options as a JSON object, such as {"seed": 1}'
complete -c trialog -n '__trialog_command "ask"' -l search-space -x -d 'the parameters: a JSON object of names and distributions'
complete -c trialog -n '__trialog_command "ask"' -s f -l format -x -a 'value json table yaml' -d 'how to print'
complete -c trialog -n '__trialog_command "ask"' -l flatten -d 'a column for each parameter'
complete -c trialog -n __trialog_no_command -a 'tell' -d 'End a trial that ask began.'
complete -c trialog -n '__trialog_command "tell"' -l study-name -x -a '(__trialog_studies)' -d 'the study\'s name; may be left out when the journal has a single study'
complete -c trialog -n '__trialog_command "tell"' -l trial-number -x -d 'the trial to end'
complete -c trialog -n '__trialog_command "tell"' -l values -x -d 'the objective values, one for each objective'
complete -c trialog -n '__trialog_command "tell"' -l state -x -a 'complete pruned fail' -d 'how it ended. Default: complete, or fail when the values cannot be used'
complete -c trialog -n '__trialog_command "tell"' -l skip-if-finished -d 'a trial that has finished already is no error; it stays as it is'
complete -c trialog -n __trialog_no_command -a 'report' -d 'Write an intermediate value of a running trial.'
complete -c trialog -n '__trialog_command "report"' -l study-name -x -a '(__trialog_studies)' -d 'the study\'s name; may be left out when the journal has a single study'
complete -c trialog -n '__trialog_command "report"' -l trial-number -x -d 'the running trial'
complete -c trialog -n '__trialog_command "report"' -l step -x -d 'a whole number from 0'
complete -c trialog -n '__trialog_command "report"' -l value -x -d 'the objective value at that step'
complete -c trialog -n __trialog_no_command -a 'enqueue' -d 'Put a trial with fixed parameters into the queue and print its number.'
complete -c trialog -n '__trialog_command "enqueue"' -l study-name -x -a '(__trialog_studies)' -d 'the study\'s name; may be left out when the journal has a single study'
complete -c trialog -n '__trialog_command "enqueue"' -l params -x -d 'fixed parameters as a JSON object of names and values'
complete -c trialog -n '__trialog_command "enqueue"' -l user-attrs -x -d 'user attributes of the trial as a JSON object'
complete -c trialog -n '__trialog_command "enqueue"' -l skip-if-exists -d 'do nothing when a trial with the same parameters exists already'
complete -c trialog -n __trialog_no_command -a 'best-trial' -d 'Show the best trial of a study with one objective.'
complete -c trialog -n '__trialog_command "best-trial"' -l study-name -x -a '(__trialog_studies)' -d 'the study to show'
complete -c trialog -n '__trialog_command "best-trial"' -s f -l format -x -a 'value json table yaml' -d 'how to print'
complete -c trialog -n '__trialog_command "best-trial"' -l json -d 'short for --format json'
complete -c trialog -n '__trialog_command "best-trial"' -l flatten -d 'a column for each parameter, attribute and value'
complete -c trialog -n __trialog_no_command -a 'best-trials' -d 'List the trials on the Pareto front.'
complete -c trialog -n '__trialog_command "best-trials"' -l study-name -x -a '(__trialog_studies)' -d 'the study to show'
complete -c trialog -n '__trialog_command "best-trials"' -s f -l format -x -a 'value json table yaml' -d 'how to print'
complete -c trialog -n '__trialog_command "best-trials"' -l json -d 'short for --format json'
complete -c trialog -n '__trialog_command "best-trials"' -l flatten -d 'a column for each parameter, attribute and value'
complete -c trialog -n __trialog_no_command -a 'trials' -d 'List the trials of a study.'
complete -c trialog -n '__trialog_command "trials"' -l study-name -x -a '(__trialog_studies)' -d 'the study to show'
complete -c trialog -n '__trialog_command "trials"' -s f -l format -x -a 'value json table yaml' -d 'how to print'
complete -c trialog -n '__trialog_command "trials"' -l json -d 'short for --format json'
complete -c trialog -n '__trialog_command "trials"' -l flatten -d 'a column for each parameter, attribute and value'
complete -c trialog -n __trialog_no_command -a 'export' -d 'Write a study as csv, JSON or a journal of its own.'
complete -c trialog -n '__trialog_command "export"' -l study-name -x -a '(__trialog_studies)' -d 'the study\'s name; may be left out when the journal has a single study'
complete -c trialog -n '__trialog_command "export"' -s f -l format -x -a 'csv json journal' -d 'csv: a line for each trial; json: everything; journal: a journal file with this study alone'
complete -c trialog -n '__trialog_command "export"' -s o -l output -r -F -d 'a new file to write to. Default: standard output'
complete -c trialog -n __trialog_no_command -a 'check' -d 'Read a whole journal and list what is wrong with it.'
complete -c trialog -n '__trialog_command "check"' -l json -d 'print one JSON object'
complete -c trialog -n '__trialog_command "check"' -F
complete -c trialog -n __trialog_no_command -a 'repair' -d 'Write a clean copy of a damaged journal.'
complete -c trialog -n '__trialog_command "repair"' -F
complete -c trialog -n __trialog_no_command -a 'compact' -d 'Write the shortest journal with the same studies and trials.'
complete -c trialog -n '__trialog_command "compact"' -F
complete -c trialog -n __trialog_no_command -a 'unlock' -d 'Take away the lock that a dead process left behind.'
complete -c trialog -n '__trialog_command "unlock"' -l force -d 'take the lock away from whoever holds it, even from a running process'
complete -c trialog -n '__trialog_command "unlock"' -F
complete -c trialog -n __trialog_no_command -a 'help' -d 'Show what a command does and its options.'
complete -c trialog -n __trialog_no_command -a 'version' -d 'Show the version and what was compiled in.'
complete -c trialog -n __trialog_no_command -a 'completion' -d 'Print a script that completes commands and options in a shell.'
complete -c trialog -n '__trialog_command "completion"' -a 'bash zsh fish'
complete -c trialog -l storage -r -F -d 'the journal: a path, or memory:// for one that ends with the command. Default: $TRIALOG_STORAGE, else $OPTUNA_STORAGE'
complete -c trialog -l storage-class -x -d 'Optuna\'s name for the kind of storage; only JournalFileBackend is served'
complete -c trialog -s v -l verbose -d 'say what is done on standard error; twice for more'
complete -c trialog -s q -l quiet -d 'no warnings, errors only'
complete -c trialog -l log-file -r -F -d 'append all messages, debugging ones too, to a file'
complete -c trialog -l debug -d 'show error codes and positions with errors'
complete -c trialog -l durability -x -a 'full relaxed off' -d 'when writes reach the disk: before the command goes on, every second, or when the system likes'
complete -c trialog -l lock -x -a 'both kernel' -d 'kernel is quicker, but only when no Optuna process writes to the journal'
complete -c trialog -l lock-timeout -x -d 'longest wait for the journal\'s lock. Default: 60s'
complete -c trialog -s h -l help -d 'show the command\'s help'
