# bash completion for restore; written by python -m restore.completions
_restore() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' word i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case "$path/$word" in
            /denoise) path=/denoise ;;
            /deblur) path=/deblur ;;
            /sr) path=/sr ;;
            /inpaint) path=/inpaint ;;
            /jpeg) path=/jpeg ;;
            /cs) path=/cs ;;
            /isp) path=/isp ;;
            /burst) path=/burst ;;
            /ct) path=/ct ;;
            /mri) path=/mri ;;
            /degrade) path=/degrade ;;
            /compare) path=/compare ;;
            /train) path=/train ;;
            /bench) path=/bench ;;
            /doctor) path=/doctor ;;
            /models) path=/models ;;
            /models/list) path=/models/list ;;
            /models/show) path=/models/show ;;
            /models/verify) path=/models/verify ;;
        esac
    done
    case "$prev" in
        --depth) COMPREPLY=($(compgen -W '8 16 32' -- "$cur")); return ;;
        --device) COMPREPLY=($(compgen -W 'auto cpu cuda mps' -- "$cur")); return ;;
        --format) COMPREPLY=($(compgen -W 'png jpeg tiff webp bmp exr' -- "$cur")); return ;;
        --model|--method|-m) COMPREPLY=($(compgen -W 'autoencoder autoencoder.avg autoencoder.blind autoencoder.max bicubic biharmonic bilinear bm3d cgls cgsense csc csc-clean csc-clean.bsds csc-net csc-net.learned cswavelet deblock deblurnet deepisp deepisp-low deepisp.fast demosaicnet demosaicnet.fast denoisenet denoisenet.ct denoisenet.fast denoisenet.heads denoisenet.text drunet drunet.fast drunet.fast-grey drunet.jpeg-fast drunet.jpeg-grey edsr edsr.x2-fast edsr.x3-fast edsr.x4-fast epll epll.bsds fastmri-unet fastmri-unet.heads-small fba fbp hdrplus ista istanet istanet.r25-fast ivst ksvd malvar mean menon ml-csc ml-csc.ml-ista mlp mlp.blind mlp.s25 ncsr pclr pclr.bsds pgpd pgpd.bsds pnp red10 red10.blind red10.q10 red10.q20 red10.x2 red10.x3 red10.x4 red20 red20.adamw red20.bare red20.base red20.blind red20.direct red20.elu red20.gd red20.leaky_relu red20.maxout red20.momentum red20.muon red20.plain red20.sgd red20.sigmoid red20.tanh red30 red30.blind richardson-lucy sharpest sirt tv usrnet usrnet.blur usrnet.holes usrnet.holes-grey usrnet.r10 usrnet.r25 usrnet.r50 varnet varnet.heads vst waveletct waveletct.quarter-small wiener wieschollek wieschollek.fast wnnm zerofill' -- "$cur")); return ;;
        --model|-m) COMPREPLY=($(compgen -W 'autoencoder autoencoder.avg autoencoder.blind autoencoder.max bicubic biharmonic bilinear bm3d cgls cgsense csc csc-clean csc-clean.bsds csc-net csc-net.learned cswavelet deblock deblurnet deepisp deepisp-low deepisp.fast demosaicnet demosaicnet.fast denoisenet denoisenet.ct denoisenet.fast denoisenet.heads denoisenet.text drunet drunet.fast drunet.fast-grey drunet.jpeg-fast drunet.jpeg-grey edsr edsr.x2-fast edsr.x3-fast edsr.x4-fast epll epll.bsds fastmri-unet fastmri-unet.heads-small fba fbp hdrplus ista istanet istanet.r25-fast ivst ksvd malvar mean menon ml-csc ml-csc.ml-ista mlp mlp.blind mlp.s25 ncsr pclr pclr.bsds pgpd pgpd.bsds pnp red10 red10.blind red10.q10 red10.q20 red10.x2 red10.x3 red10.x4 red20 red20.adamw red20.bare red20.base red20.blind red20.direct red20.elu red20.gd red20.leaky_relu red20.maxout red20.momentum red20.muon red20.plain red20.sgd red20.sigmoid red20.tanh red30 red30.blind richardson-lucy sharpest sirt tv usrnet usrnet.blur usrnet.holes usrnet.holes-grey usrnet.r10 usrnet.r25 usrnet.r50 varnet varnet.heads vst waveletct waveletct.quarter-small wiener wieschollek wieschollek.fast wnnm zerofill' -- "$cur")); return ;;
        --noise) COMPREPLY=($(compgen -W 'gaussian poisson poisson-gaussian' -- "$cur")); return ;;
        --precision) COMPREPLY=($(compgen -W 'auto float32 bf16 fp16' -- "$cur")); return ;;
        --protocol) COMPREPLY=($(compgen -W 'rednet dncnn demosaic pgpd files sr sr-shaved jpeg poisson' -- "$cur")); return ;;
        --sigma|-s) COMPREPLY=($(compgen -W 'auto' -- "$cur")); return ;;
        --subsampling) COMPREPLY=($(compgen -W '4:4:4 4:2:2 4:2:0' -- "$cur")); return ;;
        --task) COMPREPLY=($(compgen -W 'denoise deblur sr inpaint jpeg cs isp mri burst ct lowdose' -- "$cur")); return ;;
        --acceleration|--activation|--align|--batch|--black|--boundary|--center|--center-fraction|--coils|--curve|--data|--denoiser|--dose|--down|--every|--exposure|--feather|--filter|--folder|--from|--from-file|--geometry|--grow|--highlights|--hu|--images|--kernel|--kernel-size|--levels|--loss|--mask|--memory|--methods|--minutes|--missing|--optimiser|--output|--pairs|--patch|--pattern|--peak|--photons|--pixel|--power|--quality|--quality-of|--rate|--ratio|--raw-size|--reference|--save-kernel|--save-map|--scale|--seed|--set|--sharpen|--side|--sigmas|--size|--slices|--space|--split|--steps|--strength|--tile|--tolerance|--water|--wb|--weights|--white|--xyz2cam|-k|-o) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac
    case "$path" in
        '')
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--version --help -h' -- "$cur")); return; fi
            COMPREPLY=($(compgen -W 'denoise deblur sr inpaint jpeg cs isp burst ct mri degrade compare train bench doctor models' -- "$cur")); return ;;
        /denoise)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--sigma -s --noise --peak --model -m --denoiser --strength --compare --ensemble --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --precision --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /deblur)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--kernel -k --kernel-size --save-kernel --sigma -s --boundary --model -m --denoiser --check --compare --ensemble --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --precision --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /sr)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--scale --down --sigma -s --consistent --free --model -m --denoiser --check --compare --ensemble --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --precision --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /inpaint)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--mask --grow --feather --invert --sigma -s --model -m --denoiser --check --compare --ensemble --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --precision --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /jpeg)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--quality-of --strength --model -m --denoiser --compare --ensemble --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --device --precision --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /cs)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--sigma -s --model -m --denoiser --check --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --precision --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /isp)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--wb --noise --model -m --low-level --exposure --curve --match-embedded --linear --space --highlights --sharpen --repair --no-repair --raw-size --pattern --black --white --xyz2cam --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /burst)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--model --method -m --align --reference --sigma -s --power --save-map --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --device --tile --memory --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /ct)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--geometry --center --filter --model -m --size --pixel --water --hu --strength --output -o --overwrite --skip-existing --from-file --null -0 --device --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /mri)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--model -m --slices --compare --output -o --overwrite --skip-existing --from-file --null -0 --device --dry-run -n --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /degrade)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--task --sigma -s --noise --peak --pattern --kernel -k --boundary --scale --down --missing --mask --ratio --acceleration --center-fraction --coils --dose --photons --seed --output -o --overwrite --skip-existing --from-file --null -0 --format --depth --quality --subsampling --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /compare)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--protocol --json --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /train)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--sigma -s --data --pairs --from --patch --batch --loss --optimiser --rate --activation --precision --seed --steps --minutes --resume --folder --weights --split --overwrite --device --list --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /bench)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--set --methods --sigmas --levels --images --every --protocol --tolerance --output -o --side --device --list --json --quiet -q --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /doctor)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /models)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; fi
            COMPREPLY=($(compgen -W 'list show verify' -- "$cur")); return ;;
        /models/list)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--json --help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        /models/show)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; fi
            COMPREPLY=($(compgen -W 'autoencoder autoencoder.avg autoencoder.blind autoencoder.max bicubic biharmonic bilinear bm3d cgls cgsense csc csc-clean csc-clean.bsds csc-net csc-net.learned cswavelet deblock deblurnet deepisp deepisp-low deepisp.fast demosaicnet demosaicnet.fast denoisenet denoisenet.ct denoisenet.fast denoisenet.heads denoisenet.text drunet drunet.fast drunet.fast-grey drunet.jpeg-fast drunet.jpeg-grey edsr edsr.x2-fast edsr.x3-fast edsr.x4-fast epll epll.bsds fastmri-unet fastmri-unet.heads-small fba fbp hdrplus ista istanet istanet.r25-fast ivst ksvd malvar mean menon ml-csc ml-csc.ml-ista mlp mlp.blind mlp.s25 ncsr pclr pclr.bsds pgpd pgpd.bsds pnp red10 red10.blind red10.q10 red10.q20 red10.x2 red10.x3 red10.x4 red20 red20.adamw red20.bare red20.base red20.blind red20.direct red20.elu red20.gd red20.leaky_relu red20.maxout red20.momentum red20.muon red20.plain red20.sgd red20.sigmoid red20.tanh red30 red30.blind richardson-lucy sharpest sirt tv usrnet usrnet.blur usrnet.holes usrnet.holes-grey usrnet.r10 usrnet.r25 usrnet.r50 varnet varnet.heads vst waveletct waveletct.quarter-small wiener wieschollek wieschollek.fast wnnm zerofill' -- "$cur")); return ;;
        /models/verify)
            if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; fi
            compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}
complete -F _restore restore
