# bash completion for trialog; made by 'trialog completion bash'

# Names of the studies in the journal that the line names.
_trialog_studies() {
    local i storage=() names
    for ((i = 1; i < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = --storage ] || continue
        i=$((i + 1))
        [ "${COMP_WORDS[i]}" = = ] && i=$((i + 1))
        storage=(--storage "${COMP_WORDS[i]}")
    done
    names=$("${COMP_WORDS[0]}" study-names -q "${storage[@]}" 2>/dev/null) || return
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$names" -- "$cur"))
}

_trialog() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' values='' files='' i
    COMPREPLY=()
    if [ "$cur" = = ]; then
        cur=''
    elif [ "$prev" = = ]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    local commands='create-study delete-study study set-user-attr study-names studies copy optimize ask tell report enqueue best-trial best-trials trials export plot watch workers check repair compact unlock help version completion'
    for ((i = 1; i < COMP_CWORD; i++)); do
        case " $commands " in
        *" ${COMP_WORDS[i]} ${COMP_WORDS[i + 1]} "*)
            command="${COMP_WORDS[i]} ${COMP_WORDS[i + 1]}" ;;
        *" ${COMP_WORDS[i]} "*) command=${COMP_WORDS[i]} ;;
        *) continue ;;
        esac
        break
    done
    case "$command $prev" in
    "create-study --direction") values='minimize maximize' ;;
    "create-study --directions") values='minimize maximize' ;;
    "delete-study --study-name") _trialog_studies; return ;;
    "study set-user-attr --study-name") _trialog_studies; return ;;
    "study-names --format"|"study-names -f") values='value json table yaml' ;;
    "studies --format"|"studies -f") values='value json table yaml' ;;
    "copy --study-name") _trialog_studies; return ;;
    "copy --to") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "optimize --direction") values='minimize maximize' ;;
    "optimize --directions") values='minimize maximize' ;;
    "optimize --sampler") values='tpe random grid' ;;
    "optimize --pruner") values='nop median percentile successive_halving hyperband threshold patient wilcoxon' ;;
    "optimize --progress") values='auto bar lines none' ;;
    "ask --study-name") _trialog_studies; return ;;
    "ask --sampler") values='tpe random grid' ;;
    "ask --format"|"ask -f") values='value json table yaml' ;;
    "tell --study-name") _trialog_studies; return ;;
    "tell --state") values='complete pruned fail' ;;
    "report --study-name") _trialog_studies; return ;;
    "report --pruner") values='nop median percentile successive_halving hyperband threshold patient wilcoxon' ;;
    "enqueue --study-name") _trialog_studies; return ;;
    "best-trial --study-name") _trialog_studies; return ;;
    "best-trial --format"|"best-trial -f") values='value json table yaml' ;;
    "best-trials --study-name") _trialog_studies; return ;;
    "best-trials --format"|"best-trials -f") values='value json table yaml' ;;
    "trials --study-name") _trialog_studies; return ;;
    "trials --format"|"trials -f") values='value json table yaml' ;;
    "export --study-name") _trialog_studies; return ;;
    "export --format"|"export -f") values='csv json journal' ;;
    "export --output"|"export -o") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "plot --study-name") _trialog_studies; return ;;
    "plot --output"|"plot -o") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    "plot --color") values='auto always never' ;;
    "watch --study-name") _trialog_studies; return ;;
    "watch --color") values='auto always never' ;;
    "workers --study-name") _trialog_studies; return ;;
    "workers --format"|"workers -f") values='value json table yaml' ;;
    *" --storage") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    *" --log-file") COMPREPLY=($(compgen -f -- "$cur")); return ;;
    *" --durability") values='full relaxed off' ;;
    *" --lock") values='both kernel' ;;
    esac
    if [ -n "$values" ]; then
        COMPREPLY=($(compgen -W "$values" -- "$cur"))
        return
    fi
    case "$command" in
    'create-study') values=' --study-name --direction --directions --skip-if-exists' ;;
    'delete-study') values=' --study-name' ;;
    'study set-user-attr') values=' --study-name --key --value --json-value' ;;
    'study-names') values=' --format --json' ;;
    'studies') values=' --format --json --flatten' ;;
    'copy') values=' --study-name --to --to-study-name' ;;
    'optimize') values=' --study-name --param --enqueue --trials --trials-here --refund-failed --wait --max-failures --lease --retry-lost --timeout --trial-timeout --grace --jobs --direction --directions --sampler --sampler-kwargs --seed --pruner --pruner-kwargs --value-json --value-pattern --log-dir --json --progress' ;;
    'ask') values=' --study-name --sampler --sampler-kwargs --search-space --lease --retry-lost --format --flatten' ;;
    'tell') values=' --study-name --trial-number --values --state --skip-if-finished' ;;
    'report') values=' --study-name --trial-number --step --value --pruner --pruner-kwargs --json' ;;
    'enqueue') values=' --study-name --params --user-attrs --skip-if-exists' ;;
    'best-trial') values=' --study-name --format --json --flatten' ;;
    'best-trials') values=' --study-name --format --json --flatten' ;;
    'trials') values=' --study-name --format --json --flatten' ;;
    'export') values=' --study-name --format --output' ;;
    'plot') values='history slice parallel contour intermediate pareto edf --study-name --param --target --output --size --title --log --ascii --color --json' ;;
    'watch') values=' --study-name --trials --until-finished --until-idle --interval --once --json --log --ascii --color' ;;
    'workers') values=' --study-name --format --json' ;;
    'check') values=' --json'; files=1 ;;
    'repair') values=''; files=1 ;;
    'compact') values=''; files=1 ;;
    'unlock') values=' --force'; files=1 ;;
    'help') values=''; values="$values $commands" ;;
    'version') values='' ;;
    'completion') values='bash zsh fish' ;;
    'study') values='set-user-attr' ;;
    '') values='create-study delete-study study study-names studies copy optimize ask tell report enqueue best-trial best-trials trials export plot watch workers check repair compact unlock help version completion --version' ;;
    esac
    values="$values --storage --storage-class --verbose --quiet --log-file --debug --durability --lock --lock-timeout --help"
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
    if [ -n "$files" ] && [ "${cur#-}" = "$cur" ]; then
        COMPREPLY=($(compgen -f -- "$cur"))
    fi
}
complete -o filenames -o bashdefault -F _trialog trialog
