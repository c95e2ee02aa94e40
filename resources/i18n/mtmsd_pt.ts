<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="pt" sourcelanguage="en">
    <context>
        <name>AccuracySection</name>
        <message>
            <source>7  Accuracy</source>
            <translation>7  Acurácia</translation>
        </message>
        <message>
            <source>Overall: share of the reference pixels that are mapped right; average: mean of the producer's accuracies; κ: Cohen's kappa, 1 at most</source>
            <translation>Global: parcela dos pixels de referência mapeados corretamente; média: média das acurácias do produtor; κ: kappa de Cohen, no máximo 1</translation>
        </message>
        <message>
            <source>How the pixels that were compared are held apart</source>
            <translation>Como os pixels comparados são mantidos à parte</translation>
        </message>
        <message>
            <source>Producer's accuracy: share of a class's reference pixels that are mapped as it; user's accuracy: share of the pixels mapped as it that are it; F1: their harmonic mean</source>
            <translation>Acurácia do produtor: parcela dos pixels de referência de uma classe mapeados como ela; acurácia do usuário: parcela dos pixels mapeados como a classe que de fato o são; F1: média harmônica das duas</translation>
        </message>
        <message>
            <source>The same pixels by methods that see spectra only</source>
            <translation>Os mesmos pixels por métodos que só veem espectros</translation>
        </message>
        <message>
            <source>No reference polygons</source>
            <translation>Sem polígonos de referência</translation>
        </message>
        <message>
            <source>Polygons of known class that did not train the map; by their class field</source>
            <translation>Polígonos de classe conhecida que não treinaram o mapa; pelo seu campo de classe</translation>
        </message>
        <message>
            <source>R&amp;eference</source>
            <translation>R&amp;eferência</translation>
        </message>
        <message>
            <source>&amp;Assess</source>
            <translation>A&amp;valiar</translation>
        </message>
        <message>
            <source>Ope&amp;n Report</source>
            <translation>A&amp;brir relatório</translation>
        </message>
        <message>
            <source>Doubtful Polygons</source>
            <translation>Polígonos duvidosos</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Map the scene first.</source>
            <translation>Mapeie primeiro a cena.</translation>
        </message>
        <message>
            <source>Choose reference polygons.</source>
            <translation>Escolha polígonos de referência.</translation>
        </message>
        <message>
            <source>Compare the class map with the reference and write a report</source>
            <translation>Comparar o mapa de classes com a referência e escrever um relatório</translation>
        </message>
        <message>
            <source>Not among the map's classes, so counted as wrong: {}</source>
            <translation>Não estão entre as classes do mapa e contam como erro: {}</translation>
        </message>
        <message>
            <source>Show the training polygons that the others call another class</source>
            <translation>Mostrar os polígonos de treinamento que os outros atribuem a outra classe</translation>
        </message>
        <message>
            <source>Choose the stack under More and map: it tells which ones they are.</source>
            <translation>Escolha o stacking em Mais e mapeie: ele diz quais são.</translation>
        </message>
        <message>
            <source>Comparing the map with the reference…</source>
            <translation>Comparando o mapa com a referência…</translation>
        </message>
        <message>
            <source>Overall accuracy {} on {} reference pixels</source>
            <translation>Acurácia global {} em {} pixels de referência</translation>
        </message>
        <message>
            <source>No polygons were held out; choose reference polygons.</source>
            <translation>Nenhum polígono foi reservado; escolha polígonos de referência.</translation>
        </message>
        <message>
            <source>Open the full report in the browser</source>
            <translation>Abrir o relatório completo no navegador</translation>
        </message>
        <message>
            <source>Write the report of the held-out polygons and open it</source>
            <translation>Escrever o relatório dos polígonos reservados e abri-lo</translation>
        </message>
        <message>
            <source>There is no accuracy yet: map the scene.</source>
            <translation>Ainda não há acurácia: mapeie a cena.</translation>
        </message>
        <message>
            <source>Overall &lt;b&gt;{}&lt;/b&gt; · average &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</source>
            <translation>Global &lt;b&gt;{}&lt;/b&gt; · média &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</translation>
        </message>
        <message>
            <source>Spectra alone, same pixels:</source>
            <translation>Só espectros, mesmos pixels:</translation>
        </message>
        <message>
            <source>No spectral baseline was computed.</source>
            <translation>Nenhuma comparação espectral foi calculada.</translation>
        </message>
        <message>
            <source>Producer's</source>
            <translation>Produtor</translation>
        </message>
        <message>
            <source>User's</source>
            <translation>Usuário</translation>
        </message>
        <message>
            <source>F1</source>
            <translation>F1</translation>
        </message>
        <message>
            <source>Assessing the map</source>
            <translation>Avaliando o mapa</translation>
        </message>
        <message>
            <source>The report cannot be opened; it is {}.</source>
            <translation>O relatório não pode ser aberto; está em {}.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Polígonos duvidosos</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} não pode ser aberto como camada vetorial.</translation>
        </message>
        <message>
            <source>Polygons that disagree with their class: {}; the layer's table tells which class they fit.</source>
            <translation>Polígonos que destoam da sua classe: {}; a tabela da camada diz a que classe se ajustam.</translation>
        </message>
        <message>
            <source>No polygon disagrees with its class.</source>
            <translation>Nenhum polígono destoa da sua classe.</translation>
        </message>
    </context>
    <context>
        <name>AreaFiles</name>
        <message>
            <source>From File…</source>
            <translation>De um arquivo…</translation>
        </message>
        <message>
            <source>Polygons, a label raster, SCP's .scpx, or ENVI's ROIs (.xml, .roi as text)</source>
            <translation>Polígonos, raster de rótulos, .scpx do SCP ou ROIs do ENVI (.xml, .roi como texto)</translation>
        </message>
        <message>
            <source>Export Training Pixels…</source>
            <translation>Exportar pixels de treinamento…</translation>
        </message>
        <message>
            <source>Each pixel with its class and band values: GeoPackage and CSV</source>
            <translation>Cada pixel com sua classe e valores das bandas: GeoPackage e CSV</translation>
        </message>
        <message>
            <source>Take Polygons from a File</source>
            <translation>Tomar polígonos de um arquivo</translation>
        </message>
        <message>
            <source>Training areas</source>
            <translation>Áreas de treinamento</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Todos os arquivos</translation>
        </message>
        <message>
            <source>{} has several layers; add the one that is meant to the project.</source>
            <translation>{} tem várias camadas; adicione ao projeto a desejada.</translation>
        </message>
        <message>
            <source>{} holds neither polygons nor a raster of class numbers.</source>
            <translation>{} não contém polígonos nem um raster de números de classe.</translation>
        </message>
    </context>
    <context>
        <name>Attached</name>
        <message>
            <source>The job in {} was never begun.</source>
            <translation>A tarefa em {} nunca começou.</translation>
        </message>
    </context>
    <context>
        <name>BetterBaseline</name>
        <message>
            <source>Map with That One</source>
            <translation>Mapear com esse</translation>
        </message>
        <message>
            <source>Choose it in the Map section and map the scene again</source>
            <translation>Escolhê-lo na seção Mapa e mapear a cena de novo</translation>
        </message>
        <message>
            <source>A simpler classifier did clearly better: {}, overall accuracy {} against {}.</source>
            <translation>Um classificador mais simples foi claramente melhor: {}, acurácia global {} contra {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassSchemes</name>
        <message>
            <source>Class schemes (*.csv *.qml)</source>
            <translation>Esquemas de classes (*.csv *.qml)</translation>
        </message>
        <message>
            <source>Load a Class Scheme…</source>
            <translation>Carregar esquema de classes…</translation>
        </message>
        <message>
            <source>Classes from a CSV (value, name, colour) or a style (QML)</source>
            <translation>Classes de um CSV (valor, nome, cor) ou de um estilo (QML)</translation>
        </message>
        <message>
            <source>Save the Class Scheme…</source>
            <translation>Salvar esquema de classes…</translation>
        </message>
        <message>
            <source>The classes as a CSV (value, name, colour) or a style (QML)</source>
            <translation>As classes como CSV (valor, nome, cor) ou estilo (QML)</translation>
        </message>
        <message>
            <source>Load a Class Scheme</source>
            <translation>Carregar esquema de classes</translation>
        </message>
        <message>
            <source>{} classes were loaded from {}.</source>
            <translation>{} classes foram carregadas de {}.</translation>
        </message>
        <message>
            <source>Of another number than in the file: {}.</source>
            <translation>Com número diferente do que têm no arquivo: {}.</translation>
        </message>
        <message>
            <source>Save the Class Scheme</source>
            <translation>Salvar esquema de classes</translation>
        </message>
        <message>
            <source>The classes were saved to {}.</source>
            <translation>As classes foram salvas em {}.</translation>
        </message>
    </context>
    <context>
        <name>ClassesSection</name>
        <message>
            <source>3  Classes</source>
            <translation>3  Classes</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Nome</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixels</translation>
        </message>
        <message>
            <source>Double-click a name or a colour to change it; the selected class is drawn</source>
            <translation>Clique duas vezes num nome ou numa cor para mudá-los; a classe escolhida é desenhada</translation>
        </message>
        <message>
            <source>From &amp;Layer</source>
            <translation>De &amp;uma camada</translation>
        </message>
        <message>
            <source>Give the selected polygons this class</source>
            <translation>Dar esta classe aos polígonos selecionados</translation>
        </message>
        <message>
            <source>Class {}; double-click to recolour</source>
            <translation>Classe {}; clique duas vezes para mudar a cor</translation>
        </message>
        <message>
            <source>{} (key {})</source>
            <translation>{} (tecla {})</translation>
        </message>
        <message>
            <source>Spectra of a library: {}</source>
            <translation>Espectros de uma biblioteca: {}</translation>
        </message>
        <message>
            <source>Too few: at least {} pixels are needed</source>
            <translation>Poucos demais: são precisos pelo menos {} pixels</translation>
        </message>
        <message>
            <source>Few: draw some more, {} pixels or so</source>
            <translation>Poucos: desenhe mais, uns {} pixels</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Reading the layer…</source>
            <translation>Lendo a camada…</translation>
        </message>
        <message>
            <source>Add a class, or take classes from a layer.</source>
            <translation>Adicione uma classe ou tome classes de uma camada.</translation>
        </message>
        <message>
            <source>One class; add a second one.</source>
            <translation>Uma classe; adicione uma segunda.</translation>
        </message>
        <message>
            <source>Too few pixels: {}</source>
            <translation>Pixels de menos: {}</translation>
        </message>
        <message>
            <source>{} classes, {} pixels</source>
            <translation>{} classes, {} pixels</translation>
        </message>
        <message>
            <source>from a library alone: {}</source>
            <translation>só de uma biblioteca: {}</translation>
        </message>
        <message>
            <source>{} are in two classes: the later polygon counts</source>
            <translation>{} em duas classes: vale o último polígono</translation>
        </message>
        <message>
            <source>{} outside the scene or without data</source>
            <translation>{} fora da cena ou sem dados</translation>
        </message>
        <message>
            <source>{} without a class</source>
            <translation>{} sem classe</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Espere até a camada ser lida.</translation>
        </message>
        <message>
            <source>Select two or more classes (Ctrl and click).</source>
            <translation>Selecione pelo menos duas classes (Ctrl e clique).</translation>
        </message>
        <message>
            <source>Select a class.</source>
            <translation>Selecione uma classe.</translation>
        </message>
        <message>
            <source>Add a class</source>
            <translation>Adicionar uma classe</translation>
        </message>
        <message>
            <source>Merge the selected classes into the first</source>
            <translation>Unir as classes selecionadas à primeira</translation>
        </message>
        <message>
            <source>Delete the selected classes and their polygons</source>
            <translation>Excluir as classes selecionadas e seus polígonos</translation>
        </message>
        <message>
            <source>Take classes and polygons from a polygon layer or a label raster</source>
            <translation>Tomar classes e polígonos de uma camada de polígonos ou de um raster de rótulos</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Selecione primeiro polígonos.</translation>
        </message>
        <message>
            <source>Deleted {} with all polygons; Undo brings them back.</source>
            <translation>{} excluído com todos os polígonos; Desfazer os traz de volta.</translation>
        </message>
        <message>
            <source>There is a class '{}' already; merge the two instead.</source>
            <translation>Já há uma classe '{}'; una as duas.</translation>
        </message>
        <message>
            <source>Colour of {}</source>
            <translation>Cor de {}</translation>
        </message>
        <message>
            <source>No polygon layer or label raster in the project</source>
            <translation>Nenhuma camada de polígonos nem raster de rótulos no projeto</translation>
        </message>
        <message>
            <source>{} taken from {}.</source>
            <translation>{} tomados de {}.</translation>
        </message>
    </context>
    <context>
        <name>Comparison</name>
        <message>
            <source>Flic&amp;ker</source>
            <translation>A&amp;lternar</translation>
        </message>
        <message>
            <source>Swipe</source>
            <translation>Cortina</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Primeiro vem Mapear cena.</translation>
        </message>
        <message>
            <source>Show the map and the scene in turn</source>
            <translation>Mostrar o mapa e a cena por turnos</translation>
        </message>
        <message>
            <source>A line in the map window parts the map from the scene</source>
            <translation>Uma linha na janela do mapa separa o mapa da cena</translation>
        </message>
    </context>
    <context>
        <name>Engine</name>
        <message>
            <source>MTMSD Engine</source>
            <translation>Motor MTMSD</translation>
        </message>
    </context>
    <context>
        <name>EngineFacts</name>
        <message>
            <source>State</source>
            <translation>Estado</translation>
        </message>
        <message>
            <source>Ready, outdated, broken or being checked</source>
            <translation>Pronto, desatualizado, com defeito ou em verificação</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>The version of plugin and engine</source>
            <translation>A versão do complemento e do motor</translation>
        </message>
        <message>
            <source>Python</source>
            <translation>Python</translation>
        </message>
        <message>
            <source>The engine's interpreter</source>
            <translation>O interpretador do motor</translation>
        </message>
        <message>
            <source>PyTorch</source>
            <translation>PyTorch</translation>
        </message>
        <message>
            <source>The library that learns</source>
            <translation>A biblioteca que aprende</translation>
        </message>
        <message>
            <source>Devices</source>
            <translation>Dispositivos</translation>
        </message>
        <message>
            <source>What computes, and its free memory</source>
            <translation>O que calcula, e sua memória livre</translation>
        </message>
        <message>
            <source>not looked at yet: Verify tells</source>
            <translation>ainda não examinado: clique em Verificar</translation>
        </message>
        <message>
            <source>none; ONNX Runtime {}, which classifies only</source>
            <translation>nenhum; ONNX Runtime {}, que só classifica</translation>
        </message>
        <message>
            <source>{} does not compute: {}</source>
            <translation>{} não calcula: {}</translation>
        </message>
        <message>
            <source>{}: {} free</source>
            <translation>{}: {} livres</translation>
        </message>
    </context>
    <context>
        <name>EnginePanel</name>
        <message>
            <source>Set Up Engine…</source>
            <translation>Instalar motor…</translation>
        </message>
        <message>
            <source>Says what is installed, from where and how large, before anything is done</source>
            <translation>Diz o que é instalado, de onde e de que tamanho, antes de fazer algo</translation>
        </message>
        <message>
            <source>Choose Interpreter…</source>
            <translation>Escolher interpretador…</translation>
        </message>
        <message>
            <source>The python program of an environment that has the engine's libraries already</source>
            <translation>O programa python de um ambiente que já tem as bibliotecas do motor</translation>
        </message>
        <message>
            <source>&amp;Verify</source>
            <translation>&amp;Verificar</translation>
        </message>
        <message>
            <source>Start the engine: imports, a computation on each device, a raster</source>
            <translation>Iniciar o motor: importações, um cálculo em cada dispositivo, um raster</translation>
        </message>
        <message>
            <source>&amp;Update…</source>
            <translation>At&amp;ualizar…</translation>
        </message>
        <message>
            <source>Set the engine up anew; the old one stays until the new one works</source>
            <translation>Instalar o motor de novo; o antigo fica até o novo funcionar</translation>
        </message>
        <message>
            <source>&amp;Remove…</source>
            <translation>&amp;Remover…</translation>
        </message>
        <message>
            <source>Delete the engine's environment; models and maps stay</source>
            <translation>Excluir o ambiente do motor; modelos e mapas ficam</translation>
        </message>
        <message>
            <source>Copy &amp;Diagnostics</source>
            <translation>Copiar &amp;diagnóstico</translation>
        </message>
        <message>
            <source>Put one text on the clipboard that tells a helper all; without names</source>
            <translation>Pôr na área de transferência um texto que diz tudo a quem ajuda; sem nomes</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Mais</translation>
        </message>
        <message>
            <source>Verify, update or remove the engine; copy diagnostics</source>
            <translation>Verificar, atualizar ou remover o motor; copiar o diagnóstico</translation>
        </message>
        <message>
            <source>The engine is being set up; QGIS can be used meanwhile.</source>
            <translation>O motor está sendo instalado; o QGIS pode ser usado enquanto isso.</translation>
        </message>
        <message>
            <source>Show Set-Up…</source>
            <translation>Mostrar instalação…</translation>
        </message>
        <message>
            <source>The engine is started: this takes up to a minute…</source>
            <translation>O motor está sendo iniciado: leva até um minuto…</translation>
        </message>
        <message>
            <source>Verified: the engine computes, and reads and writes rasters.</source>
            <translation>Verificado: o motor calcula, lê e escreve rasters.</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Espere até o motor estar instalado.</translation>
        </message>
        <message>
            <source>Wait until the engine is removed.</source>
            <translation>Espere até o motor estar removido.</translation>
        </message>
        <message>
            <source>Wait for the check.</source>
            <translation>Espere pela verificação.</translation>
        </message>
        <message>
            <source>There is no engine yet.</source>
            <translation>Ainda não há motor.</translation>
        </message>
        <message>
            <source>There is no engine that was set up here.</source>
            <translation>Não há motor instalado aqui.</translation>
        </message>
        <message>
            <source>Choose the Engine's Python</source>
            <translation>Escolher o Python do motor</translation>
        </message>
        <message>
            <source>Remove the Engine</source>
            <translation>Remover o motor</translation>
        </message>
        <message>
            <source>Delete the engine's environment in {}?</source>
            <translation>Excluir o ambiente do motor em {}?</translation>
        </message>
        <message>
            <source>Models, maps and jobs stay.</source>
            <translation>Modelos, mapas e tarefas ficam.</translation>
        </message>
        <message>
            <source>&amp;Remove</source>
            <translation>&amp;Remover</translation>
        </message>
        <message>
            <source>&amp;Keep</source>
            <translation>&amp;Manter</translation>
        </message>
        <message>
            <source>Looking at the machine…</source>
            <translation>Examinando a máquina…</translation>
        </message>
        <message>
            <source>Copied: paste it into your report.</source>
            <translation>Copiado: cole na sua mensagem.</translation>
        </message>
    </context>
    <context>
        <name>EngineSection</name>
        <message>
            <source>Engine</source>
            <translation>Motor</translation>
        </message>
        <message>
            <source>Being set up</source>
            <translation>Sendo instalado</translation>
        </message>
    </context>
    <context>
        <name>Facts</name>
        <message>
            <source>The engine cannot be started: {}.</source>
            <translation>O motor não pode ser iniciado: {}.</translation>
        </message>
        <message>
            <source>The engine said nothing about the raster.</source>
            <translation>O motor não disse nada do raster.</translation>
        </message>
    </context>
    <context>
        <name>FirstSteps</name>
        <message>
            <source>First steps</source>
            <translation>Primeiros passos</translation>
        </message>
        <message>
            <source>Close this card for good</source>
            <translation>Fechar este cartão de vez</translation>
        </message>
        <message>
            <source>Try the Sample Scene</source>
            <translation>Testar a cena de exemplo</translation>
        </message>
        <message>
            <source>Open the scene that comes along, with classes and polygons, as a project</source>
            <translation>Abrir como projeto a cena que vem junto, com classes e polígonos</translation>
        </message>
        <message>
            <source>Tutorial</source>
            <translation>Tutorial</translation>
        </message>
        <message>
            <source>From the sample to a map, step by step, in the browser</source>
            <translation>Do exemplo ao mapa, passo a passo, no navegador</translation>
        </message>
        <message>
            <source>Go to this section</source>
            <translation>Ir a esta seção</translation>
        </message>
        <message>
            <source>Nothing waits for you.</source>
            <translation>Nada espera por você.</translation>
        </message>
        <message>
            <source>Next, {}: {}</source>
            <translation>A seguir, {}: {}</translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message>
            <source>Take Polygons from {}</source>
            <translation>Tomar polígonos de {}</translation>
        </message>
        <message>
            <source>Numbers or names of the classes</source>
            <translation>Números ou nomes das classes</translation>
        </message>
        <message>
            <source>The field {} was guessed by its name.</source>
            <translation>O campo {} foi deduzido pelo nome.</translation>
        </message>
        <message>
            <source>Class &amp;field</source>
            <translation>&amp;Campo de classe</translation>
        </message>
        <message>
            <source>In the layer</source>
            <translation>Na camada</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixels</translation>
        </message>
        <message>
            <source>Becomes</source>
            <translation>Passa a ser</translation>
        </message>
        <message>
            <source>&amp;Merge names that differ in capitals or blanks only</source>
            <translation>&amp;Unir os nomes que só diferem em maiúsculas ou espaços</translation>
        </message>
        <message>
            <source>&amp;Take Polygons</source>
            <translation>&amp;Tomar polígonos</translation>
        </message>
        <message>
            <source>Choose the field that holds the classes.</source>
            <translation>Escolha o campo que contém as classes.</translation>
        </message>
        <message>
            <source>Reading…</source>
            <translation>Lendo…</translation>
        </message>
    </context>
    <context>
        <name>JobsSection</name>
        <message>
            <source>8  Jobs</source>
            <translation>8  Tarefas</translation>
        </message>
        <message>
            <source>Job</source>
            <translation>Tarefa</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>Começada</translation>
        </message>
        <message>
            <source>State</source>
            <translation>Estado</translation>
        </message>
        <message>
            <source>The newest jobs; each has a folder with its log</source>
            <translation>As tarefas mais recentes; cada uma tem uma pasta com seu registro</translation>
        </message>
        <message>
            <source>S&amp;how Log…</source>
            <translation>Ver re&amp;gistro…</translation>
        </message>
        <message>
            <source>&amp;Job Folder</source>
            <translation>&amp;Pasta da tarefa</translation>
        </message>
        <message>
            <source>Cancel Job…</source>
            <translation>Cancelar…</translation>
        </message>
        <message>
            <source>{} running</source>
            <translation>{} em execução</translation>
        </message>
        <message>
            <source>None running; {ended} ended, the last with {warnings}</source>
            <translation>Nenhuma em curso; {ended} terminadas, a última com {warnings}</translation>
        </message>
        <message>
            <source>None running; {} ended</source>
            <translation>Nenhuma em execução; {} terminadas</translation>
        </message>
        <message>
            <source>No jobs yet.</source>
            <translation>Ainda não há tarefas.</translation>
        </message>
        <message>
            <source>running</source>
            <translation>em execução</translation>
        </message>
        <message>
            <source>done</source>
            <translation>terminada</translation>
        </message>
        <message>
            <source>canceled</source>
            <translation>cancelada</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>falhou</translation>
        </message>
        <message>
            <source>Select a job.</source>
            <translation>Selecione uma tarefa.</translation>
        </message>
        <message>
            <source>Show what the job said</source>
            <translation>Mostrar o que a tarefa disse</translation>
        </message>
        <message>
            <source>Open the job's folder</source>
            <translation>Abrir a pasta da tarefa</translation>
        </message>
        <message>
            <source>The job does not run any more.</source>
            <translation>A tarefa não está mais em curso.</translation>
        </message>
        <message>
            <source>Stop this job</source>
            <translation>Parar esta tarefa</translation>
        </message>
        <message>
            <source>Log of {}</source>
            <translation>Registro de {}</translation>
        </message>
        <message>
            <source>Job of Another QGIS</source>
            <translation>Tarefa de outro QGIS</translation>
        </message>
        <message>
            <source>Whoever started it waits for its result.</source>
            <translation>Quem a iniciou espera pelo resultado.</translation>
        </message>
        <message>
            <source>Cancel Their Job</source>
            <translation>Cancelar mesmo assim</translation>
        </message>
        <message>
            <source>Let It Go On</source>
            <translation>Deixar continuar</translation>
        </message>
    </context>
    <context>
        <name>LabelPoints</name>
        <message>
            <source>The two classes that are in doubt there</source>
            <translation>As duas classes que estão em dúvida ali</translation>
        </message>
        <message>
            <source>Label It</source>
            <translation>Rotular</translation>
        </message>
        <message>
            <source>Give this pixel a class, as a training polygon</source>
            <translation>Dar uma classe a este pixel, como polígono de treinamento</translation>
        </message>
        <message>
            <source>Next Point</source>
            <translation>Próximo ponto</translation>
        </message>
        <message>
            <source>Leave this one and go to the next</source>
            <translation>Deixar este e ir ao próximo</translation>
        </message>
        <message>
            <source>Zoom to It</source>
            <translation>Aproximar</translation>
        </message>
        <message>
            <source>Show the point in the middle of the map window</source>
            <translation>Mostrar o ponto no meio da janela do mapa</translation>
        </message>
        <message>
            <source>See-through map</source>
            <translation>Mapa translúcido</translation>
        </message>
        <message>
            <source>The scene shines through the map while the points are visited</source>
            <translation>A cena transparece sob o mapa enquanto os pontos são visitados</translation>
        </message>
        <message>
            <source>Point {} of {}: {} or {}?</source>
            <translation>Ponto {} de {}: {} ou {}?</translation>
        </message>
        <message>
            <source>That was the last point. Map anew to see what it gained.</source>
            <translation>Esse era o último ponto. Mapeie de novo para ver o ganho.</translation>
        </message>
        <message>
            <source>The point cannot be brought into the map window's coordinates.</source>
            <translation>O ponto não pode ser levado às coordenadas da janela do mapa.</translation>
        </message>
    </context>
    <context>
        <name>LabellingKeys</name>
        <message>
            <source>MTMSD: take class {} of the table</source>
            <translation>MTMSD: escolher a classe {} da tabela</translation>
        </message>
        <message>
            <source>MTMSD: {}</source>
            <translation>MTMSD: {}</translation>
        </message>
        <message>
            <source>draw a polygon</source>
            <translation>desenhar um polígono</translation>
        </message>
        <message>
            <source>draw a rectangle</source>
            <translation>desenhar um retângulo</translation>
        </message>
        <message>
            <source>draw freehand</source>
            <translation>desenhar à mão livre</translation>
        </message>
        <message>
            <source>grow a region</source>
            <translation>expandir uma região</translation>
        </message>
        <message>
            <source>undo a step of the training polygons</source>
            <translation>desfazer um passo dos polígonos de treinamento</translation>
        </message>
        <message>
            <source>give the selected polygons the class</source>
            <translation>dar a classe aos polígonos selecionados</translation>
        </message>
        <message>
            <source>next point to label</source>
            <translation>próximo ponto a rotular</translation>
        </message>
        <message>
            <source>MTMSD: end the polygon or take the region</source>
            <translation>MTMSD: terminar o polígono ou tomar a região</translation>
        </message>
        <message>
            <source>MTMSD: give the point to label the class</source>
            <translation>MTMSD: dar a classe ao ponto a rotular</translation>
        </message>
    </context>
    <context>
        <name>LayoutButton</name>
        <message>
            <source>Print Layout</source>
            <translation>Layout de impressão</translation>
        </message>
        <message>
            <source>As PDF…</source>
            <translation>Como PDF…</translation>
        </message>
        <message>
            <source>As PNG…</source>
            <translation>Como PNG…</translation>
        </message>
        <message>
            <source>A page with map, legend with areas, scale, north, accuracy and attribution</source>
            <translation>Uma página com mapa, legenda com áreas, escala, norte, acurácia e créditos</translation>
        </message>
        <message>
            <source>Save the Print Layout</source>
            <translation>Salvar layout de impressão</translation>
        </message>
        <message>
            <source>The page was saved to {}.</source>
            <translation>A página foi salva em {}.</translation>
        </message>
        <message>
            <source>{} cannot be written.</source>
            <translation>{} não pode ser escrito.</translation>
        </message>
        <message>
            <source>Class map of {}</source>
            <translation>Mapa de classes de {}</translation>
        </message>
        <message>
            <source>{} px</source>
            <translation>{} px</translation>
        </message>
        <message>
            <source>The accuracy of this map was not assessed.</source>
            <translation>A acurácia deste mapa não foi avaliada.</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Acurácia global {overall}, kappa {kappa}, em {n} pixels de referência.</translation>
        </message>
        <message>
            <source>Data: {}</source>
            <translation>Dados: {}</translation>
        </message>
        <message>
            <source>Classified by MTMSD for QGIS, {}</source>
            <translation>Classificado com MTMSD para QGIS, {}</translation>
        </message>
    </context>
    <context>
        <name>LossCurve</name>
        <message>
            <source>Loss: waiting for the first steps</source>
            <translation>Perda: esperando os primeiros passos</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>Perda</translation>
        </message>
        <message>
            <source>step {}</source>
            <translation>passo {}</translation>
        </message>
    </context>
    <context>
        <name>MTMSD</name>
        <message>
            <source>1 polygon</source>
            <translation>1 polígono</translation>
        </message>
        <message numerus="yes">
            <source>%Ln polygons</source>
            <translation>
                <numerusform>%Ln polígono</numerusform>
                <numerusform>%Ln polígonos</numerusform>
            </translation>
        </message>
        <message>
            <source>1 pixel</source>
            <translation>1 pixel</translation>
        </message>
        <message numerus="yes">
            <source>%Ln pixels</source>
            <translation>
                <numerusform>%Ln pixel</numerusform>
                <numerusform>%Ln pixels</numerusform>
            </translation>
        </message>
        <message>
            <source>1 warning</source>
            <translation>1 aviso</translation>
        </message>
        <message numerus="yes">
            <source>%Ln warnings</source>
            <translation>
                <numerusform>%Ln aviso</numerusform>
                <numerusform>%Ln avisos</numerusform>
            </translation>
        </message>
        <message>
            <source>no message</source>
            <translation>nenhuma mensagem</translation>
        </message>
        <message>
            <source>{} could not be read: {}.</source>
            <translation>{} não pôde ser lido: {}.</translation>
        </message>
        <message>
            <source>the plugin's setting {}</source>
            <translation>a configuração {} do complemento</translation>
        </message>
        <message>
            <source>the environment variable {}</source>
            <translation>a variável de ambiente {}</translation>
        </message>
        <message>
            <source>the plugin's own environment folder</source>
            <translation>a pasta de ambiente própria do complemento</translation>
        </message>
        <message>
            <source>Choose another interpreter for the engine (now named by {source}).</source>
            <translation>Escolha outro interpretador para o motor (agora indicado por: {source}).</translation>
        </message>
        <message>
            <source>{python} is QGIS itself, not a Python interpreter.</source>
            <translation>{python} é o próprio QGIS, não um interpretador Python.</translation>
        </message>
        <message>
            <source>{python} cannot be started as the engine's Python: {reason}.</source>
            <translation>{python} não pode ser iniciado como Python do motor: {reason}.</translation>
        </message>
        <message>
            <source>{python} did not answer within {seconds} s.</source>
            <translation>{python} não respondeu em {seconds} s.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was looked for ({last}).</source>
            <translation>{python} {ended} quando o motor era procurado nele ({last}).</translation>
        </message>
        <message>
            <source>{python} does not answer like a Python interpreter.</source>
            <translation>{python} não responde como um interpretador Python.</translation>
        </message>
        <message>
            <source>{python} is Python {version}; the engine needs 3.10 or newer.</source>
            <translation>{python} é Python {version}; o motor precisa de 3.10 ou mais novo.</translation>
        </message>
        <message>
            <source>The engine's Python {python} lacks {libraries}.</source>
            <translation>Ao Python do motor {python} falta: {libraries}.</translation>
        </message>
        <message>
            <source>The MTMSD engine is not set up: there is no Python environment for it. Press Set Up Engine… in the dock, or choose an interpreter that has its libraries.</source>
            <translation>O motor MTMSD não está instalado: não há ambiente Python para ele. Pressione Instalar motor… no painel, ou escolha um interpretador que tenha suas bibliotecas.</translation>
        </message>
        <message>
            <source>The engine's Python {python}, named by {source}, does not exist.</source>
            <translation>O Python do motor {python} (indicado por: {source}) não existe.</translation>
        </message>
        <message>
            <source>The job goes on without QGIS.</source>
            <translation>A tarefa continua sem o QGIS.</translation>
        </message>
        <message>
            <source>The engine has been silent for {} s; cancel it if that stays so.</source>
            <translation>O motor está há {} s sem responder; cancele se continuar assim.</translation>
        </message>
        <message>
            <source>Canceled.</source>
            <translation>Cancelado.</translation>
        </message>
        <message>
            <source>The log is {}.</source>
            <translation>O registro é {}.</translation>
        </message>
        <message>
            <source>The engine ended without a result.</source>
            <translation>O motor terminou sem resultado.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result (perhaps memory ran out){last}.</source>
            <translation>O motor {ended} antes de ter um resultado (talvez tenha faltado memória){last}.</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result{last}.</source>
            <translation>O motor {ended} antes de ter um resultado{last}.</translation>
        </message>
        <message>
            <source>was killed ({})</source>
            <translation>foi encerrado ({})</translation>
        </message>
        <message>
            <source>was killed (signal {})</source>
            <translation>foi encerrado (sinal {})</translation>
        </message>
        <message>
            <source>crashed ({})</source>
            <translation>falhou ({})</translation>
        </message>
        <message>
            <source>ended with status {}</source>
            <translation>terminou com o estado {}</translation>
        </message>
        <message>
            <source>The engine was made by a newer plugin ({theirs}; this one is {ours}) and may not fit. Get the newer plugin, or press Update to build the engine for this one.</source>
            <translation>O motor foi instalado por um complemento mais novo ({theirs}; este é {ours}) e pode não servir. Obtenha o complemento mais novo, ou pressione Atualizar para construir o motor para este.</translation>
        </message>
        <message>
            <source>The engine was set up by another version of the plugin ({theirs}; this one is {ours}) and has other packages. Press Update; it works until then.</source>
            <translation>O motor foi instalado por outra versão do complemento ({theirs}; esta é {ours}) e tem outros pacotes. Pressione Atualizar; ele funciona até lá.</translation>
        </message>
        <message>
            <source>unknown</source>
            <translation>desconhecida</translation>
        </message>
        <message>
            <source>First map, without the diffusion model that is there now: map once more.</source>
            <translation>Primeiro mapa, sem o modelo de difusão que agora existe: mapeie de novo.</translation>
        </message>
        <message>
            <source>First map, without a diffusion model. How much pretraining adds here, the left-out polygons tell after it.</source>
            <translation>Primeiro mapa, sem modelo de difusão. Quanto o pré-treinamento acrescenta aqui, os polígonos reservados dirão depois dele.</translation>
        </message>
        <message>
            <source>Map with the diffusion model, which has {} of the say.</source>
            <translation>Mapa com o modelo de difusão, que pesa {} na decisão.</translation>
        </message>
        <message>
            <source>Left-out pixels that are right: {}, {} without it.</source>
            <translation>Pixels reservados corretos: {}, sem o modelo {}.</translation>
        </message>
        <message>
            <source>Diffusion model</source>
            <translation>Modelo de difusão</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Regiões com contornos reais</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>Método</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Cena</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandas</translation>
        </message>
        <message>
            <source>Classes</source>
            <translation>Classes</translation>
        </message>
        <message>
            <source>Training pixels</source>
            <translation>Pixels de treinamento</translation>
        </message>
        <message>
            <source>Accuracy</source>
            <translation>Acurácia</translation>
        </message>
        <message>
            <source>{width} × {height} px</source>
            <translation>{width} × {height} px</translation>
        </message>
        <message>
            <source>{used} of {total}</source>
            <translation>{used} de {total}</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>Acurácia global {overall}, kappa {kappa}, em {n} pixels de referência.</translation>
        </message>
        <message>
            <source>Classes and areas</source>
            <translation>Classes e áreas</translation>
        </message>
        <message>
            <source>None of the {} lies in the scene.</source>
            <translation>Nada está dentro da cena ({}).</translation>
        </message>
        <message>
            <source>The layer has no polygons with a class.</source>
            <translation>A camada não tem polígonos com classe.</translation>
        </message>
        <message>
            <source>Inside the scene: {}</source>
            <translation>Dentro da cena: {}</translation>
        </message>
        <message>
            <source>Outside, not taken: {}</source>
            <translation>Fora dela, não tomados: {}</translation>
        </message>
        <message>
            <source>Without a class or a shape, not taken: {}</source>
            <translation>Sem classe ou sem geometria, não tomados: {}</translation>
        </message>
        <message>
            <source>In two classes: {}; the later polygon counts</source>
            <translation>Em duas classes: {}; vale o último polígono</translation>
        </message>
        <message>
            <source>{number} is another class here, so {name} becomes {new}.</source>
            <translation>{number} já é outra classe aqui, por isso {name} passa a ser {new}.</translation>
        </message>
        <message>
            <source>Alike: {}</source>
            <translation>Quase iguais: {}</translation>
        </message>
        <message>
            <source>Choose Spectra</source>
            <translation>Escolher espectros</translation>
        </message>
        <message>
            <source>The engine is being checked…</source>
            <translation>O motor está sendo verificado…</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>O motor está pronto.</translation>
        </message>
        <message>
            <source>A set-up of the engine was begun and not finished; it can go on.</source>
            <translation>Uma instalação do motor foi começada e não terminada; ela pode continuar.</translation>
        </message>
        <message>
            <source>The engine does the computing, in a Python environment of its own. One click sets it up; QGIS itself stays as it is.</source>
            <translation>O motor calcula num ambiente Python próprio. Um clique o instala; o próprio QGIS fica como está.</translation>
        </message>
        <message>
            <source>being checked</source>
            <translation>em verificação</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>pronto</translation>
        </message>
        <message>
            <source>not set up</source>
            <translation>não instalado</translation>
        </message>
        <message>
            <source>broken</source>
            <translation>com defeito</translation>
        </message>
        <message>
            <source>outdated</source>
            <translation>desatualizado</translation>
        </message>
        <message>
            <source>Preparing the folder</source>
            <translation>Preparando a pasta</translation>
        </message>
        <message>
            <source>Fetching the installer uv</source>
            <translation>Baixando o instalador uv</translation>
        </message>
        <message>
            <source>Making the Python environment</source>
            <translation>Criando o ambiente Python</translation>
        </message>
        <message>
            <source>Fetching and installing the packages</source>
            <translation>Baixando e instalando os pacotes</translation>
        </message>
        <message>
            <source>Fetching and installing PyTorch</source>
            <translation>Baixando e instalando o PyTorch</translation>
        </message>
        <message>
            <source>Checking that it computes</source>
            <translation>Verificando que calcula</translation>
        </message>
        <message>
            <source>Putting it in place</source>
            <translation>Pondo no lugar</translation>
        </message>
        <message>
            <source>Beginning</source>
            <translation>Começo</translation>
        </message>
        <message>
            <source>{}: {} of {}</source>
            <translation>{}: {} de {}</translation>
        </message>
        <message>
            <source>That place is outside the scene.</source>
            <translation>Esse lugar está fora da cena.</translation>
        </message>
        <message>
            <source>That pixel has no data.</source>
            <translation>Esse pixel não tem dados.</translation>
        </message>
        <message>
            <source>Fold or unfold this section</source>
            <translation>Recolher ou expandir esta seção</translation>
        </message>
        <message>
            <source>What the engine warned of</source>
            <translation>Avisos do motor</translation>
        </message>
        <message>
            <source>Not yet possible</source>
            <translation>Ainda não é possível</translation>
        </message>
        <message>
            <source>Ready: this can be done now</source>
            <translation>Pronto: isto pode ser feito agora</translation>
        </message>
        <message>
            <source>Running</source>
            <translation>Em execução</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>Feito</translation>
        </message>
        <message>
            <source>Needs attention</source>
            <translation>Pede atenção</translation>
        </message>
        <message>
            <source>Done, with warnings</source>
            <translation>Concluído, com avisos</translation>
        </message>
        <message>
            <source>Jobs Are Running</source>
            <translation>Há tarefas em execução</translation>
        </message>
        <message>
            <source>The engine is at work:</source>
            <translation>O motor está trabalhando:</translation>
        </message>
        <message>
            <source>A job that goes on is taken up again when QGIS is next opened.</source>
            <translation>Uma tarefa que continua é retomada na próxima vez que o QGIS for aberto.</translation>
        </message>
        <message>
            <source>&amp;Let It Go On</source>
            <translation>&amp;Deixar continuar</translation>
        </message>
        <message>
            <source>&amp;Cancel Job</source>
            <translation>&amp;Cancelar tarefa</translation>
        </message>
        <message>
            <source>&amp;Stay in QGIS</source>
            <translation>Ficar no QGI&amp;S</translation>
        </message>
        <message>
            <source>{} (from the Toolbox)</source>
            <translation>{} (da caixa de ferramentas)</translation>
        </message>
        <message>
            <source>{} (of an earlier QGIS)</source>
            <translation>{} (de um QGIS anterior)</translation>
        </message>
        <message>
            <source>{} (of another QGIS)</source>
            <translation>{} (de outro QGIS)</translation>
        </message>
        <message>
            <source>Started by another QGIS: {user} on {host}, process {pid}{since}.</source>
            <translation>Iniciada por outro QGIS: {user} em {host}, processo {pid}{since}.</translation>
        </message>
        <message>
            <source>&amp;MTMSD</source>
            <translation>&amp;MTMSD</translation>
        </message>
        <message>
            <source>MTMSD Classification</source>
            <translation>Classificação MTMSD</translation>
        </message>
        <message>
            <source>Show or hide the MTMSD dock</source>
            <translation>Mostrar ou ocultar o painel MTMSD</translation>
        </message>
        <message>
            <source>Try the &amp;Sample Scene</source>
            <translation>Testar a cena de &amp;exemplo</translation>
        </message>
        <message>
            <source>&amp;Tutorial</source>
            <translation>&amp;Tutorial</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>&amp;Ajuda</translation>
        </message>
        <message>
            <source>&amp;Engine…</source>
            <translation>M&amp;otor…</translation>
        </message>
        <message>
            <source>The job's folder {path} cannot be made: {reason}.</source>
            <translation>A pasta da tarefa {path} não pode ser criada: {reason}.</translation>
        </message>
        <message>
            <source>The file is temporary: it goes when QGIS is closed.</source>
            <translation>O arquivo é temporário: some quando o QGIS é fechado.</translation>
        </message>
        <message>
            <source>{lost} of {count} masks cannot be opened: {names}.</source>
            <translation>{lost} de {count} máscaras não podem ser abertas: {names}.</translation>
        </message>
        <message>
            <source>The layer for '{parameter}' cannot be opened: {value}.</source>
            <translation>A camada para '{parameter}' não pode ser aberta: {value}.</translation>
        </message>
        <message>
            <source>'{layer}' is the scene itself; choose the layer with the polygons.</source>
            <translation>'{layer}' é a própria cena; escolha a camada com os polígonos.</translation>
        </message>
        <message>
            <source>The layer '{layer}' has no field '{field}'; it has {fields}.</source>
            <translation>A camada '{layer}' não tem o campo '{field}'; ela tem {fields}.</translation>
        </message>
        <message>
            <source>Parameters and outputs</source>
            <translation>Parâmetros e saídas</translation>
        </message>
        <message>
            <source>Spectral angle</source>
            <translation>Ângulo espectral</translation>
        </message>
        <message>
            <source>How far each pixel is from spectra of a library, whatever its brightness.</source>
            <translation>Distância de cada pixel aos espectros de uma biblioteca, seja qual for o seu brilho.</translation>
        </message>
        <message>
            <source>Spectral library</source>
            <translation>Biblioteca espectral</translation>
        </message>
        <message>
            <source>Spectra</source>
            <translation>Espectros</translation>
        </message>
        <message>
            <source>ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd).</source>
            <translation>ENVI (.sli), CSV, texto do USGS ou do ECOSTRESS, ASD (.asd).</translation>
        </message>
        <message>
            <source>Names of its spectra, separated by semicolons. Default: all of them.</source>
            <translation>Nomes dos seus espectros, separados por ponto e vírgula. Padrão: todos.</translation>
        </message>
        <message>
            <source>GeoTIFF with a band a spectrum: the angle in radians, 0 where they are alike.</source>
            <translation>GeoTIFF com uma banda por espectro: o ângulo em radianos, 0 quando têm a mesma forma.</translation>
        </message>
        <message>
            <source>'{part}' in Classes to match is not of the form THEIRS=OURS.</source>
            <translation>'{part}' em 'Correspondência de classes' não tem a forma REFERÊNCIA=MAPA.</translation>
        </message>
        <message>
            <source>Assess a class map</source>
            <translation>Avaliar um mapa de classes</translation>
        </message>
        <message>
            <source>Compares a class map with reference polygons and writes an accuracy report.</source>
            <translation>Compara um mapa de classes com polígonos de referência e escreve um relatório de acurácia.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Mapa de classes</translation>
        </message>
        <message>
            <source>Reference that was not used for training. Default: none; the report is then that of the polygons held out while the map's classifier was trained.</source>
            <translation>Referência que não foi usada no treinamento. Padrão: nenhuma; o relatório é então o dos polígonos reservados ao treinar o classificador do mapa.</translation>
        </message>
        <message>
            <source>Classes to match</source>
            <translation>Correspondência de classes</translation>
        </message>
        <message>
            <source>The polygons that trained the map; the baselines learn from them. Default: none.</source>
            <translation>Os polígonos que treinaram o mapa; os métodos de comparação aprendem deles. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>Números</translation>
        </message>
        <message>
            <source>The raster that 'Classify a scene' has written.</source>
            <translation>O raster que 'Classificar uma cena' escreveu.</translation>
        </message>
        <message>
            <source>Reference polygons</source>
            <translation>Polígonos de referência</translation>
        </message>
        <message>
            <source>The map's class for classes of the reference that are called otherwise, by name or number, with semicolons between: 'Wald=forest; 7=water'. 'Weg=' leaves one out, 'Weg=-' counts it as wrong. Default: names and numbers are the map's.</source>
            <translation>A classe do mapa para classes da referência que têm outro nome, por nome ou número, separadas por ponto e vírgula: 'Wald=floresta; 7=água'. 'Weg=' deixa uma de fora, 'Weg=-' a conta como erro. Padrão: nomes e números são os do mapa.</translation>
        </message>
        <message>
            <source>The scene of the map. With it and the training polygons, a support vector machine and a random forest on the plain spectra are reported beside the map. Default: none.</source>
            <translation>A cena do mapa. Com ela e os polígonos de treinamento, uma máquina de vetores de suporte e uma floresta aleatória sobre os espectros puros são relatadas ao lado do mapa. Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>Training polygons</source>
            <translation>Polígonos de treinamento</translation>
        </message>
        <message>
            <source>The figures as JSON. Default: beside the report.</source>
            <translation>Os números como JSON. Padrão: ao lado do relatório.</translation>
        </message>
        <message>
            <source>Spectral baselines need both the scene and the training polygons; give both or neither.</source>
            <translation>Comparações espectrais precisam da cena e dos polígonos de treinamento; dê ambos ou nenhum.</translation>
        </message>
        <message>
            <source>Change between two class maps</source>
            <translation>Mudança entre dois mapas de classes</translation>
        </message>
        <message>
            <source>What became what, as a map and as a table with areas and standard errors.</source>
            <translation>O que virou o quê, como mapa e como tabela com áreas e erros padrão.</translation>
        </message>
        <message>
            <source>Earlier class map</source>
            <translation>Mapa de classes anterior</translation>
        </message>
        <message>
            <source>The class map of the earlier date.</source>
            <translation>O mapa de classes da data anterior.</translation>
        </message>
        <message>
            <source>Later class map</source>
            <translation>Mapa de classes posterior</translation>
        </message>
        <message>
            <source>The class map of the later date, on the grid of the earlier one.</source>
            <translation>O mapa de classes da data posterior, na grade do anterior.</translation>
        </message>
        <message>
            <source>Change map</source>
            <translation>Mapa de mudanças</translation>
        </message>
        <message>
            <source>GeoTIFF with a class for each pair of classes: pale where nothing changed, else in a shade of the later class's colour.</source>
            <translation>GeoTIFF com uma classe para cada par de classes: pálida onde nada mudou, senão num tom da cor da classe posterior.</translation>
        </message>
        <message>
            <source>From-to table</source>
            <translation>Tabela de transição</translation>
        </message>
        <message>
            <source>Pixels, areas and their standard errors of each pair of classes as CSV.</source>
            <translation>Pixels, áreas e seus erros padrão de cada par de classes como CSV.</translation>
        </message>
        <message>
            <source>Written with the map. Default: none.</source>
            <translation>Escrita com o mapa. Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>Unknown below a confidence of</source>
            <translation>Desconhecido abaixo da confiança de</translation>
        </message>
        <message>
            <source>Confidence of the earlier map</source>
            <translation>Confiança do mapa anterior</translation>
        </message>
        <message>
            <source>Confidence of the later map</source>
            <translation>Confiança do mapa posterior</translation>
        </message>
        <message>
            <source>Pixels of lower confidence in one of the maps are counted apart. Default: 0.5.</source>
            <translation>Pixels de confiança menor num dos mapas são contados à parte. Padrão: 0.5.</translation>
        </message>
        <message>
            <source>Table of equal classes</source>
            <translation>Tabela de classes equivalentes</translation>
        </message>
        <message>
            <source>Reference of the change</source>
            <translation>Referência da mudança</translation>
        </message>
        <message>
            <source>Field with the class before</source>
            <translation>Campo com a classe antes</translation>
        </message>
        <message>
            <source>Field with the class after</source>
            <translation>Campo com a classe depois</translation>
        </message>
        <message>
            <source>Columns before,after: classes that are the same though they are called differently. Default: classes of one name are the same.</source>
            <translation>Colunas before,after: classes que são as mesmas embora tenham nomes diferentes. Padrão: classes de mesmo nome são as mesmas.</translation>
        </message>
        <message>
            <source>Points or polygons with the true class before and after; areas and their standard errors then rest on them. Default: on the held-out polygons of both maps.</source>
            <translation>Pontos ou polígonos com a classe verdadeira antes e depois; as áreas e seus erros padrão baseiam-se então neles. Padrão: nos polígonos reservados dos dois mapas.</translation>
        </message>
        <message>
            <source>A field of the reference. Default: none.</source>
            <translation>Um campo da referência. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>The reference of the change needs its two fields, of before and after.</source>
            <translation>A referência da mudança precisa dos seus dois campos, de antes e de depois.</translation>
        </message>
        <message>
            <source>Classify a scene</source>
            <translation>Classificar uma cena</translation>
        </message>
        <message>
            <source>Maps a scene with a trained classifier; class map and confidence.</source>
            <translation>Mapeia uma cena com um classificador treinado; mapa de classes e confiança.</translation>
        </message>
        <message>
            <source>Classifier</source>
            <translation>Classificador</translation>
        </message>
        <message>
            <source>Extent</source>
            <translation>Extensão</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written, or the .onnx file of 'Export a classifier'.</source>
            <translation>O arquivo .safetensors que 'Treinar um classificador' escreveu, ou o arquivo .onnx de 'Exportar um classificador'.</translation>
        </message>
        <message>
            <source>Only this part of the scene is mapped, on the scene's own pixels. Default: the whole scene.</source>
            <translation>Só esta parte da cena é mapeada, nos pixels da própria cena. Padrão: a cena toda.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid with class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF na grade da cena com números, nomes e cores das classes; 0 = sem dados.</translation>
        </message>
        <message>
            <source>The extent does not touch the scene '{name}'; choose one that does.</source>
            <translation>A extensão não toca a cena '{name}'; escolha uma que toque.</translation>
        </message>
        <message>
            <source>Classify several scenes</source>
            <translation>Classificar várias cenas</translation>
        </message>
        <message>
            <source>Maps scenes of one sensor with one classifier, into a folder or one mosaic.</source>
            <translation>Mapeia cenas de um mesmo sensor com um classificador, numa pasta ou num só mosaico.</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Pasta dos mapas</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, a GeoTIFF of its name on its grid.</source>
            <translation>Recebe um mapa de classes por cena: um GeoTIFF com o nome e na grade da cena.</translation>
        </message>
        <message>
            <source>Mosaic</source>
            <translation>Mosaico</translation>
        </message>
        <message>
            <source>Also one class map of all, blended where they overlap; for scenes on one grid. Default: not written.</source>
            <translation>Também um só mapa de classes de todas, mesclado onde se sobrepõem; para cenas na mesma grade. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>Class maps</source>
            <translation>Mapas de classes</translation>
        </message>
        <message>
            <source>Scenes that were not mapped</source>
            <translation>Cenas não mapeadas</translation>
        </message>
        <message>
            <source>{lost} of {count} scenes are no layers: {names}; give those as scene files.</source>
            <translation>{lost} de {count} cenas não são camadas: {names}; dê essas como arquivos de cena.</translation>
        </message>
        <message>
            <source>There is no scene to map; give layers or files.</source>
            <translation>Não há cena a mapear; dê camadas ou arquivos.</translation>
        </message>
        <message>
            <source>{count} scenes were mapped, {failed} were not.</source>
            <translation>{count} cenas foram mapeadas, {failed} não.</translation>
        </message>
        <message>
            <source>Scenes</source>
            <translation>Cenas</translation>
        </message>
        <message>
            <source>Scene files</source>
            <translation>Arquivos de cena</translation>
        </message>
        <message>
            <source>Hyperspectral rasters of the sensor that the classifier was trained on, on any grids; bands are matched by wavelength. Default: none.</source>
            <translation>Rasters hiperespectrais do sensor com que o classificador foi treinado, em qualquer grade; as bandas são associadas pelo comprimento de onda. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Scenes that are no layers: rasters, products, or a table scenes.csv with the columns scene,output,mask. One that cannot be read is named, and the others go on. Default: none.</source>
            <translation>Cenas que não são camadas: rasters, produtos ou uma tabela scenes.csv com as colunas scene,output,mask. Uma que não possa ser lida é indicada, e as outras continuam. Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>Confidence of each map</source>
            <translation>Confiança de cada mapa</translation>
        </message>
        <message>
            <source>Class probabilities of each map</source>
            <translation>Probabilidades das classes de cada mapa</translation>
        </message>
        <message>
            <source>GeoTIFFs in the folder '{name}' beside the maps. Default: no.</source>
            <translation>GeoTIFFs na pasta '{name}', ao lado dos mapas. Padrão: não.</translation>
        </message>
        <message>
            <source>Export a classifier</source>
            <translation>Exportar um classificador</translation>
        </message>
        <message>
            <source>Writes a classifier as ONNX, to map with on machines without PyTorch.</source>
            <translation>Escreve um classificador como ONNX, para mapear em máquinas sem PyTorch.</translation>
        </message>
        <message>
            <source>Exported classifier</source>
            <translation>Classificador exportado</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written.</source>
            <translation>O arquivo .safetensors que 'Treinar um classificador' escreveu.</translation>
        </message>
        <message>
            <source>An .onnx file, all that 'Classify a scene' needs of the classifier.</source>
            <translation>Um arquivo .onnx, tudo de que 'Classificar uma cena' precisa do classificador.</translation>
        </message>
        <message>
            <source>'{name}' does not end in .onnx; choose another name.</source>
            <translation>'{name}' não termina em .onnx; escolha outro nome.</translation>
        </message>
        <message>
            <source>Export training pixels</source>
            <translation>Exportar pixels de treinamento</translation>
        </message>
        <message>
            <source>Each training pixel with its class and band values, as points and as a table.</source>
            <translation>Cada pixel de treinamento com sua classe e valores das bandas, como pontos e como tabela.</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>Tabela</translation>
        </message>
        <message>
            <source>The polygons whose pixels are written.</source>
            <translation>Os polígonos cujos pixels são escritos.</translation>
        </message>
        <message>
            <source>GeoPackage with a point a pixel: class number and name, polygon, column and row (from 0), x and y, and a column a band, named by its wavelength in nm.</source>
            <translation>GeoPackage com um ponto por pixel: número e nome da classe, polígono, coluna e linha (a partir de 0), x e y, e uma coluna por banda, com o nome do comprimento de onda em nm.</translation>
        </message>
        <message>
            <source>The same columns as CSV.</source>
            <translation>As mesmas colunas como CSV.</translation>
        </message>
        <message>
            <source>Number of pixels</source>
            <translation>Número de pixels</translation>
        </message>
        <message>
            <source>Map a scene from polygons</source>
            <translation>Mapear uma cena a partir de polígonos</translation>
        </message>
        <message>
            <source>From a hyperspectral raster and a few polygons to a class map, in one step.</source>
            <translation>De um raster hiperespectral e poucos polígonos a um mapa de classes, num passo.</translation>
        </message>
        <message>
            <source>The training polygons, at least 3 pixels in each of two or more classes.</source>
            <translation>Os polígonos de treinamento, pelo menos 3 pixels em cada uma de duas ou mais classes.</translation>
        </message>
        <message>
            <source>Reference that is not used for training. Default: a quarter of the training polygons is held out for the accuracy figures; the map then learns from all of them.</source>
            <translation>Referência que não é usada no treinamento. Padrão: um quarto dos polígonos de treinamento é reservado para os números de acurácia; o mapa aprende depois de todos.</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Polígonos de validação</translation>
        </message>
        <message>
            <source>New diffusion model</source>
            <translation>Novo modelo de difusão</translation>
        </message>
        <message>
            <source>With this file the scene is pretrained first, which takes minutes, and the stack listens to the diffusion network too. Default: none; pretrained only if the classifier needs it.</source>
            <translation>Com este arquivo, a cena é primeiro pré-treinada, o que leva minutos, e o stacking também ouve a rede de difusão. Padrão: nenhum; o pré-treinamento só ocorre se o classificador precisar.</translation>
        </message>
        <message>
            <source>Kept to map other scenes of the same sensor. Default: not kept.</source>
            <translation>Guardado para mapear outras cenas do mesmo sensor. Padrão: não guardado.</translation>
        </message>
        <message>
            <source>Join class maps to a mosaic</source>
            <translation>Unir mapas de classes num mosaico</translation>
        </message>
        <message>
            <source>One class map of many; where they overlap, their probabilities are blended.</source>
            <translation>Um só mapa de classes a partir de vários; onde se sobrepõem, suas probabilidades são mescladas.</translation>
        </message>
        <message>
            <source>Probabilities</source>
            <translation>Probabilidades</translation>
        </message>
        <message>
            <source>Of each map the layer of probabilities that 'Classify a scene' has written, all with one classifier and on one grid.</source>
            <translation>De cada mapa, a camada de probabilidades que 'Classificar uma cena' escreveu, todas com o mesmo classificador e na mesma grade.</translation>
        </message>
        <message>
            <source>GeoTIFF (COG) with overviews, class numbers, names and colours; 0 = no data.</source>
            <translation>GeoTIFF (COG) com visões gerais, números, nomes e cores das classes; 0 = sem dados.</translation>
        </message>
        <message>
            <source>There is no map for a mosaic; give the probabilities of each.</source>
            <translation>Não há mapas para um mosaico; dê as probabilidades de cada um.</translation>
        </message>
        <message>
            <source>mosaic</source>
            <translation>mosaico</translation>
        </message>
        <message>
            <source>Where to label next</source>
            <translation>Onde rotular a seguir</translation>
        </message>
        <message>
            <source>Points in doubt, spread over the scene, with the two classes in question.</source>
            <translation>Pontos em dúvida, espalhados pela cena, com as duas classes em questão.</translation>
        </message>
        <message>
            <source>Class probabilities</source>
            <translation>Probabilidades das classes</translation>
        </message>
        <message>
            <source>Number of points</source>
            <translation>Número de pontos</translation>
        </message>
        <message>
            <source>Labels that there are already; the points keep away. Default: none.</source>
            <translation>Rótulos que já existem; os pontos ficam longe. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Pontos a rotular</translation>
        </message>
        <message>
            <source>One band for each class, from 'Classify a scene' or 'Map a scene'.</source>
            <translation>Uma banda por classe, de 'Classificar uma cena' ou 'Mapear uma cena a partir de polígonos'.</translation>
        </message>
        <message>
            <source>How many points are proposed. Default: 20.</source>
            <translation>Quantos pontos são propostos. Padrão: 20.</translation>
        </message>
        <message>
            <source>GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt and their probabilities.</source>
            <translation>GeoPackage com posto (1 é o melhor), dúvida (0 a 1), as duas classes em dúvida e suas probabilidades.</translation>
        </message>
        <message>
            <source>Number of points found</source>
            <translation>Número de pontos encontrados</translation>
        </message>
        <message>
            <source>Pretrain on a scene</source>
            <translation>Pré-treinar numa cena</translation>
        </message>
        <message>
            <source>Learns a hyperspectral scene without labels and writes a diffusion model.</source>
            <translation>Aprende uma cena hiperespectral sem rótulos e escreve um modelo de difusão.</translation>
        </message>
        <message>
            <source>A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and 'Map a scene from polygons'. Checkpoints lie beside it until it is complete.</source>
            <translation>Um arquivo .safetensors de 5 a 110 MB, para 'Treinar um classificador' e 'Mapear uma cena a partir de polígonos'. Pontos de controle ficam ao lado até ele estar completo.</translation>
        </message>
        <message>
            <source>Parts a scene into regions that are learnt with their classes.</source>
            <translation>Divide uma cena em regiões, aprendidas junto com suas classes.</translation>
        </message>
        <message>
            <source>What the regions are learnt from. Default: none, and regions that were learnt before are taken.</source>
            <translation>De que as regiões são aprendidas. Padrão: nenhum; são tomadas regiões já aprendidas.</translation>
        </message>
        <message>
            <source>Size of a region in pixels</source>
            <translation>Tamanho de uma região em pixels</translation>
        </message>
        <message>
            <source>Side of the squares in which regions begin: 2 at least, the scene's shorter side at most. 0 (default): half of a typical polygon's side, 4 to 16.</source>
            <translation>Lado dos quadrados em que as regiões começam: no mínimo 2, no máximo o lado menor da cena. 0 (padrão): metade do lado de um polígono típico, de 4 a 16.</translation>
        </message>
        <message>
            <source>Achievable segmentation accuracy (0 to 1)</source>
            <translation>Acurácia de segmentação alcançável (0 a 1)</translation>
        </message>
        <message>
            <source>Number of regions</source>
            <translation>Número de regiões</translation>
        </message>
        <message>
            <source>Learnt regions</source>
            <translation>Regiões aprendidas</translation>
        </message>
        <message>
            <source>Map to compare with</source>
            <translation>Mapa para comparar</translation>
        </message>
        <message>
            <source>The .safetensors file of an earlier run, of this scene or another of the same sensor: nothing is learnt then. Default: none.</source>
            <translation>O arquivo .safetensors de uma execução anterior, desta cena ou de outra do mesmo sensor: então nada é aprendido. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>A class map of single pixels whose accuracy the report tells beside that of the regions, where both were judged by the same pixels. Default: none.</source>
            <translation>Um mapa de classes pixel a pixel cuja acurácia o relatório dá ao lado da das regiões, quando ambos foram avaliados pelos mesmos pixels. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Regions</source>
            <translation>Regiões</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Mapa de classes das regiões</translation>
        </message>
        <message>
            <source>New learnt regions</source>
            <translation>Novas regiões aprendidas</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each region: class_id, class_name, color, pixels, area_ha, and share_N, the share of each class N.</source>
            <translation>GeoPackage com um polígono para cada região: class_id, class_name, color, pixels, area_ha e share_N, a parcela de cada classe N.</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid: each pixel has the class of its region.</source>
            <translation>GeoTIFF na grade da cena: cada pixel tem a classe da sua região.</translation>
        </message>
        <message>
            <source>Kept to map this scene or another with. Default: not kept.</source>
            <translation>Guardadas para mapear esta cena ou outra. Padrão: não guardadas.</translation>
        </message>
        <message>
            <source>Choose training polygons or learnt regions: one of the two.</source>
            <translation>Escolha polígonos de treinamento ou regiões aprendidas: um dos dois.</translation>
        </message>
        <message>
            <source>Regions cannot begin as squares of 1 px; choose 2 or more, or 0.</source>
            <translation>As regiões não podem começar como quadrados de 1 px; escolha 2 ou mais, ou 0.</translation>
        </message>
        <message>
            <source>Train a classifier</source>
            <translation>Treinar um classificador</translation>
        </message>
        <message>
            <source>Learns the classes of training polygons and writes a classifier.</source>
            <translation>Aprende as classes de polígonos de treinamento e escreve um classificador.</translation>
        </message>
        <message>
            <source>A .safetensors file that holds the diffusion model, the classes with names and colours, and the accuracy on held-out polygons; it is all that 'Classify a scene' needs.</source>
            <translation>Um arquivo .safetensors com o modelo de difusão, as classes com nomes e cores e a acurácia em polígonos reservados; é tudo de que 'Classificar uma cena' precisa.</translation>
        </message>
        <message>
            <source>The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain on a scene' has written, or choose another classifier.</source>
            <translation>O classificador 'mtmsd' precisa de um modelo de difusão; dê o que 'Pré-treinar numa cena' escreveu ou escolha outro classificador.</translation>
        </message>
        <message>
            <source>Turn a class map into polygons</source>
            <translation>Converter um mapa de classes em polígonos</translation>
        </message>
        <message>
            <source>Polygons with class, area and mean confidence, and the area of each class.</source>
            <translation>Polígonos com classe, área e confiança média, e a área de cada classe.</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Confiança</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>Area table</source>
            <translation>Tabela de áreas</translation>
        </message>
        <message>
            <source>Written with the map; its mean is told for each polygon. Default: none.</source>
            <translation>Escrita com o mapa; sua média é dada para cada polígono. Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each connected region: class_id, class_name, color, pixels, area_ha, confidence.</source>
            <translation>GeoPackage com um polígono para cada região contígua: class_id, class_name, color, pixels, area_ha, confidence.</translation>
        </message>
        <message>
            <source>Pixels, share and hectares of each class as CSV. Default: not written.</source>
            <translation>Pixels, parcela e hectares de cada classe como CSV. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>Number of polygons</source>
            <translation>Número de polígonos</translation>
        </message>
        <message>
            <source>Overall accuracy (0 to 1)</source>
            <translation>Acurácia global (0 a 1)</translation>
        </message>
        <message>
            <source>Average accuracy (0 to 1)</source>
            <translation>Acurácia média (0 a 1)</translation>
        </message>
        <message>
            <source>Kappa</source>
            <translation>Kappa</translation>
        </message>
        <message>
            <source>The raster layer '{name}' comes from the provider '{provider}', which the engine cannot read; save it as a GeoTIFF and use that.</source>
            <translation>A camada raster '{name}' vem do provedor '{provider}', que o motor não sabe ler; salve-a como GeoTIFF e use esse.</translation>
        </message>
        <message>
            <source>The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use that.</source>
            <translation>A camada raster '{name}' está só na memória do QGIS; salve-a como GeoTIFF e use esse.</translation>
        </message>
        <message>
            <source>The layer '{name}' is neither a vector nor a raster layer.</source>
            <translation>A camada '{name}' não é vetorial nem raster.</translation>
        </message>
        <message>
            <source>No polygon of the layer '{name}' is selected; select some, or leave 'Selected polygons only' off.</source>
            <translation>Nenhum polígono da camada '{name}' está selecionado; selecione alguns ou deixe 'Só polígonos selecionados' desmarcado.</translation>
        </message>
        <message>
            <source>The layer '{name}' could not be written for the engine: {reason}</source>
            <translation>A camada '{name}' não pôde ser escrita para o motor: {reason}</translation>
        </message>
        <message>
            <source>Automatic: the stack, with the preset paper MTMSD alone</source>
            <translation>Automático: o stacking; com a predefinição paper, só MTMSD</translation>
        </message>
        <message>
            <source>auto (default): stack; with the preset paper, mtmsd. stack: several simple classifiers, and the diffusion network where there is a model, weighed by polygons that were left out; without a model it takes seconds. mtmsd: the network alone. Or one of plain spectra: svm (support vector machine), svm-polygons (the same, tuned over whole polygons), rf (random forest). The accuracy report says when one of them is better.</source>
            <translation>auto (padrão): stack; com a predefinição paper, mtmsd. stack: vários classificadores simples, e a rede de difusão onde houver um modelo, ponderados por polígonos reservados; sem modelo leva segundos. mtmsd: só a rede. Ou um puramente espectral: svm (máquina de vetores de suporte), svm-polygons (o mesmo, ajustado por polígonos inteiros), rf (floresta aleatória). O relatório de acurácia diz quando um deles é melhor.</translation>
        </message>
        <message>
            <source>Class of the library's spectra</source>
            <translation>Classe dos espectros da biblioteca</translation>
        </message>
        <message>
            <source>Table of the library's classes</source>
            <translation>Tabela das classes da biblioteca</translation>
        </message>
        <message>
            <source>Factor of the library's values</source>
            <translation>Fator dos valores da biblioteca</translation>
        </message>
        <message>
            <source>Its spectra train beside the polygons, resampled to the scene's bands, and may make a class that has no polygon; not for the classifier 'mtmsd'. ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd). Default: none.</source>
            <translation>Seus espectros treinam junto com os polígonos, reamostrados para as bandas da cena, e podem formar uma classe sem polígono; não para o classificador 'mtmsd'. ENVI (.sli), CSV, texto do USGS ou do ECOSTRESS, ASD (.asd). Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>One class for all of its spectra. Default: each spectrum's name is its class.</source>
            <translation>Uma só classe para todos os seus espectros. Padrão: o nome de cada espectro é sua classe.</translation>
        </message>
        <message>
            <source>CSV with the columns name and class, and if wanted value and color: the class of each spectrum; spectra that it does not name are left out. Default: none.</source>
            <translation>CSV com as colunas name e class e, se desejado, value e color: a classe de cada espectro; os espectros que não constam nele são deixados de fora. Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>What its values are multiplied by to have the scene's units. Default: told by its numbers (0 to 1, percent, times 10,000); the log says which.</source>
            <translation>Por quanto seus valores são multiplicados para terem as unidades da cena. Padrão: deduzido dos seus números (0 a 1, por cento, vezes 10.000); o registro diz qual.</translation>
        </message>
        <message>
            <source>{parameter} is given, and no spectral library; choose one, or leave it out.</source>
            <translation>Foi dado {parameter}, mas nenhuma biblioteca espectral; escolha uma ou deixe-o de fora.</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automático</translation>
        </message>
        <message>
            <source>Whole polygons</source>
            <translation>Polígonos inteiros</translation>
        </message>
        <message>
            <source>Spatial cross-validation</source>
            <translation>Validação cruzada espacial</translation>
        </message>
        <message>
            <source>Single pixels (optimistic)</source>
            <translation>Pixels isolados (otimista)</translation>
        </message>
        <message>
            <source>How polygons are held out</source>
            <translation>Como os polígonos são reservados</translation>
        </message>
        <message>
            <source>Share held out</source>
            <translation>Parcela reservada</translation>
        </message>
        <message>
            <source>Guard distance in pixels</source>
            <translation>Distância de guarda em pixels</translation>
        </message>
        <message>
            <source>polygons: whole ones. cross: spatial cross-validation, each polygon tested once. auto (default): cross where most classes have fewer than 4 polygons, else polygons. random: single pixels, whose figures are optimistic because they lie beside training pixels.</source>
            <translation>polygons: inteiros. cross: validação cruzada espacial, cada polígono testado uma vez. auto (padrão): cross onde a maioria das classes tem menos de 4 polígonos, senão polygons. random: pixels soltos, cujos números são otimistas porque ficam ao lado de pixels de treinamento.</translation>
        </message>
        <message>
            <source>Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told and the confidence is not calibrated. Default: 0.25.</source>
            <translation>Parcela de cada classe que é reservada, de 0 a 0.9. Com 0 nenhuma acurácia é dada e a confiança não é calibrada. Padrão: 0.25.</translation>
        </message>
        <message>
            <source>Training pixels nearer than this to a held-out one are left out. Default: 0.</source>
            <translation>Pixels de treinamento mais próximos que isto de um reservado são deixados de fora. Padrão: 0.</translation>
        </message>
        <message>
            <source>Majority filter, side in pixels</source>
            <translation>Filtro de maioria, lado em pixels</translation>
        </message>
        <message>
            <source>Minimum mapping unit in pixels</source>
            <translation>Unidade mínima de mapeamento em pixels</translation>
        </message>
        <message>
            <source>Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none.</source>
            <translation>Pixels de confiança menor, de 0 a 1, recebem a classe 255 'unknown'. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; on a tie it keeps its own. Default: none.</source>
            <translation>Cada pixel recebe a classe mais frequente de um quadrado de 3, 5, 7, … pixels ao seu redor; em empate mantém a sua. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Smaller regions join their largest neighbour. Default: all regions stay.</source>
            <translation>Regiões menores juntam-se à maior vizinha. Padrão: todas ficam.</translation>
        </message>
        <message>
            <source>GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. 'Where to label next' needs it. Default: not written.</source>
            <translation>GeoTIFF com uma banda por classe, de 0 a 1; quatro bytes por pixel e classe. 'Onde rotular a seguir' precisa dele. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>Entropy</source>
            <translation>Entropia</translation>
        </message>
        <message>
            <source>GeoTIFF: 0 where one class is certain, 1 where all are as likely. Default: not written.</source>
            <translation>GeoTIFF: 0 onde uma classe é certa, 1 onde todas são igualmente prováveis. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>Disagreement</source>
            <translation>Desacordo</translation>
        </message>
        <message>
            <source>GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple classifiers. Default: not written.</source>
            <translation>GeoTIFF: quanto os membros do conjunto diferem, de 0 a 1; não para os classificadores simples. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>Polígonos duvidosos</translation>
        </message>
        <message>
            <source>GeoPackage with the training polygons that the other polygons call another class: their class, the one that the map would give, and the share of their pixels that are called so. By the classifier 'stack' only. Default: not written.</source>
            <translation>GeoPackage com os polígonos de treinamento que os outros atribuem a outra classe: sua classe, a que o mapa daria e a parcela dos seus pixels assim classificados. Só com o classificador 'stack'. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>GeoPackage with the map's regions, as by 'Turn a class map into polygons'. Default: not written.</source>
            <translation>GeoPackage com as regiões do mapa, como por 'Converter um mapa de classes em polígonos'. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>GeoPackage with 20 places worth a label next, as by 'Where to label next'. Default: not written.</source>
            <translation>GeoPackage com 20 lugares que merecem um rótulo, como por 'Onde rotular a seguir'. Padrão: não escrito.</translation>
        </message>
        <message>
            <source>Scene and polygons to map and report</source>
            <translation>De cena e polígonos a mapa e relatório</translation>
        </message>
        <message>
            <source>Map another scene</source>
            <translation>Mapear outra cena</translation>
        </message>
        <message>
            <source>Assess and polygonize</source>
            <translation>Avaliar e poligonizar</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>Modelos</translation>
        </message>
        <message>
            <source>The hyperspectral raster. Pixels without data and bad bands (marked in the file, constant, or empty) are left out by themselves.</source>
            <translation>O raster hiperespectral. Pixels sem dados e bandas ruins (marcadas no arquivo, constantes ou vazias) são deixados de fora por si.</translation>
        </message>
        <message>
            <source>A polygon layer in any CRS with a class field, a raster on the scene's grid with class numbers (0 = unlabelled), or the path of another program's training areas: SCP's .scpx, ENVI's regions of interest (.xml, .roi as text).</source>
            <translation>Uma camada de polígonos em qualquer SRC com um campo de classe, um raster na grade da cena com números de classe (0 = sem rótulo) ou o caminho das áreas de treinamento de outro programa: .scpx do SCP, regiões de interesse do ENVI (.xml, .roi como texto).</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Campo de classe</translation>
        </message>
        <message>
            <source>Class number or class name of each polygon; of a number the name is taken from a field such as class_name. Default: the field called class_id, class, or similar.</source>
            <translation>Número ou nome da classe de cada polígono; para um número, o nome é tomado de um campo como class_name. Padrão: o campo chamado class_id, class ou parecido.</translation>
        </message>
        <message>
            <source>Selected polygons only</source>
            <translation>Só polígonos selecionados</translation>
        </message>
        <message>
            <source>Only the selected ones of the labels' polygons are read. Default: no, all.</source>
            <translation>Só os polígonos selecionados dos rótulos são lidos. Padrão: não, todos.</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Pretrain on a scene' has written.</source>
            <translation>O arquivo .safetensors que 'Pré-treinar numa cena' escreveu.</translation>
        </message>
        <message>
            <source>With it, pretraining is skipped. Default: none.</source>
            <translation>Com ele, o pré-treinamento é pulado. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Quick: a first look</source>
            <translation>Rápido: uma primeira olhada</translation>
        </message>
        <message>
            <source>Balanced: good maps</source>
            <translation>Equilibrado: bons mapas</translation>
        </message>
        <message>
            <source>Paper: as published, on a GPU</source>
            <translation>Artigo: como publicado, em GPU</translation>
        </message>
        <message>
            <source>Preset</source>
            <translation>Predefinição</translation>
        </message>
        <message>
            <source>quick: about 3 minutes of pretraining on two CPU cores, for a first look. balanced (default): about 10 to 15 minutes, the map to keep. paper: the published network and length; needs a GPU.</source>
            <translation>quick: uns 3 minutos de pré-treinamento em dois núcleos de CPU, para uma primeira olhada. balanced (padrão): uns 10 a 15 minutos, o mapa para guardar. paper: a rede e a duração publicadas; precisa de GPU.</translation>
        </message>
        <message>
            <source>Processor (CPU)</source>
            <translation>Processador (CPU)</translation>
        </message>
        <message>
            <source>Graphics card (CUDA)</source>
            <translation>Placa gráfica (CUDA)</translation>
        </message>
        <message>
            <source>Graphics card {} (CUDA)</source>
            <translation>Placa gráfica {} (CUDA)</translation>
        </message>
        <message>
            <source>Apple graphics (MPS)</source>
            <translation>GPU Apple (MPS)</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>Dispositivo</translation>
        </message>
        <message>
            <source>auto (default) takes a GPU that works, else the CPU.</source>
            <translation>auto (padrão) toma uma GPU que funcione, senão a CPU.</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Semente</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same result. Default: 0.</source>
            <translation>A mesma semente na mesma máquina dá o mesmo resultado. Padrão: 0.</translation>
        </message>
        <message>
            <source>Other settings</source>
            <translation>Outras configurações</translation>
        </message>
        <message>
            <source>Single numbers of the preset replaced, as KEY=VALUE with spaces between: 'iterations=2000 members=5'; with the stack 'rare_classes=0.5' finds classes of few training pixels more often. Default: none.</source>
            <translation>Números soltos da predefinição substituídos, como KEY=VALUE, separados por espaços: 'iterations=2000 members=5'; com o stacking, 'rare_classes=0.5' encontra mais vezes as classes de poucos pixels de treinamento. Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Bands to leave out</source>
            <translation>Bandas a deixar de fora</translation>
        </message>
        <message>
            <source>Band numbers or wavelengths besides those that are left out by themselves: '1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none.</source>
            <translation>Números de banda ou comprimentos de onda além dos que são deixados de fora por si: '1-5,130-135' ou '1340-1460nm,1790-1960nm' (vapor d'água). Padrão: nenhum.</translation>
        </message>
        <message>
            <source>Masks</source>
            <translation>Máscaras</translation>
        </message>
        <message>
            <source>Bits or values of masks</source>
            <translation>Bits ou valores das máscaras</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Máscaras do produto</translation>
        </message>
        <message>
            <source>Clouds, shadow, water: pixels in their polygons (any CRS), or not 0 in their rasters (on the scene's grid), are left out as if they had no data. Default: none.</source>
            <translation>Nuvens, sombra, água: os pixels dentro dos seus polígonos (em qualquer SRC), ou diferentes de 0 nos seus rasters (na grade da cena), são deixados de fora como se não tivessem dados. Padrão: nenhuma.</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: 'bits=10,11' of a bit mask, 'values=3,8,9' of a class raster. Default: all but 0.</source>
            <translation>O que conta num raster de máscara: 'bits=10,11' de uma máscara de bits, 'values=3,8,9' de um raster de classes. Padrão: tudo menos 0.</translation>
        </message>
        <message>
            <source>Also the masks of clouds, shadow and cirrus that come with a scene of EnMAP, EMIT or PRISMA. Default: no.</source>
            <translation>Também as máscaras de nuvens, sombra e cirros que acompanham uma cena EnMAP, EMIT ou PRISMA. Padrão: não.</translation>
        </message>
        <message>
            <source>'{text}' does not say what of a mask is meant; write bits=10,11 or values=3,8.</source>
            <translation>'{text}' não diz o que conta numa máscara; escreva bits=10,11 ou values=3,8.</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>Retomar</translation>
        </message>
        <message>
            <source>Continue from the last checkpoint of a canceled or broken run with the same output file. Default: no.</source>
            <translation>Continuar do último ponto de controle de uma execução cancelada ou quebrada com o mesmo arquivo de saída. Padrão: não.</translation>
        </message>
        <message>
            <source>GeoTIFF with the probability of the mapped class, 0 to 1.</source>
            <translation>GeoTIFF com a probabilidade da classe mapeada, de 0 a 1.</translation>
        </message>
        <message>
            <source>Accuracy report</source>
            <translation>Relatório de acurácia</translation>
        </message>
        <message>
            <source>One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, where they can be made, spectral baselines.</source>
            <translation>Um arquivo HTML com a matriz de confusão (linhas: referência, colunas: mapa), acurácias e, onde possível, comparações espectrais.</translation>
        </message>
        <message>
            <source>'{word}' in Other settings is not of the form KEY=VALUE.</source>
            <translation>'{word}' em Outras configurações não tem a forma KEY=VALUE.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoTIFF, the one format that is written; end it in .tif.</source>
            <translation>'{path}' não é um GeoTIFF, o único formato escrito; termine-o em .tif.</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg.</source>
            <translation>'{path}' não é um GeoPackage, o único formato escrito; termine-o em .gpkg.</translation>
        </message>
        <message>
            <source>Engine {version} on {device}</source>
            <translation>Motor {version} em {device}</translation>
        </message>
        <message>
            <source>Engine {version}</source>
            <translation>Motor {version}</translation>
        </message>
        <message>
            <source>{title}: {done} of {total} {unit}</source>
            <translation>{title}: {done} de {total} {unit}</translation>
        </message>
        <message>
            <source>{}, {} left</source>
            <translation>{}, faltam {}</translation>
        </message>
        <message>
            <source>The job in {folder} could not be started with {python}: {reason}.</source>
            <translation>A tarefa em {folder} não pôde ser iniciada com {python}: {reason}.</translation>
        </message>
        <message>
            <source>Job folder: {folder}</source>
            <translation>Pasta da tarefa: {folder}</translation>
        </message>
        <message>
            <source>{python} cannot be started: {reason}.</source>
            <translation>{python} não pode ser iniciado: {reason}.</translation>
        </message>
        <message>
            <source>Choose another Python.</source>
            <translation>Escolha outro Python.</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was checked ({last}).</source>
            <translation>{python} {ended} quando o motor era verificado ({last}).</translation>
        </message>
        <message>
            <source>Choose another Python, or set the engine up anew.</source>
            <translation>Escolha outro Python, ou instale o motor de novo.</translation>
        </message>
        <message>
            <source>The card {card} has only {free} MB free.</source>
            <translation>A placa {card} só tem {free} MB livres.</translation>
        </message>
        <message>
            <source>Close other programs that use it, or set the engine up for the processor.</source>
            <translation>Feche outros programas que a usam, ou instale o motor para o processador.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no NVIDIA graphics card here{}.</source>
            <translation>Tudo foi instalado, mas aqui não calcula em nenhuma placa gráfica NVIDIA{}.</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no Apple GPU here{}.</source>
            <translation>Tudo foi instalado, mas aqui não calcula em nenhuma GPU da Apple{}.</translation>
        </message>
        <message>
            <source>Update the card's driver, or set the engine up for the processor.</source>
            <translation>Atualize o driver da placa, ou instale o motor para o processador.</translation>
        </message>
        <message>
            <source>The proxy asks for a name and a password.</source>
            <translation>O proxy pede um nome e uma senha.</translation>
        </message>
        <message>
            <source>Enter them in QGIS under Settings &gt; Options &gt; Network, or under Advanced as http://user[:password]@host:port.</source>
            <translation>Informe-os no QGIS em Configurações &gt; Opções &gt; Rede, ou em Avançado como http://user[:password]@host:port.</translation>
        </message>
        <message>
            <source>The connection to {index} shows a certificate that this machine does not trust; a virus scanner or a company's proxy may be reading along.</source>
            <translation>A conexão com {index} mostra um certificado em que esta máquina não confia; talvez um antivírus ou o proxy de uma empresa esteja lendo.</translation>
        </message>
        <message>
            <source>Ask your administrator for the certificate, install it in the system, and set SSL_CERT_FILE to it if that is not enough; or use a folder of wheels.</source>
            <translation>Peça o certificado ao seu administrador, instale-o no sistema, e se não bastar aponte SSL_CERT_FILE para ele; ou use uma pasta de wheels.</translation>
        </message>
        <message>
            <source>The disk of {folder} is full.</source>
            <translation>O disco de {folder} está cheio.</translation>
        </message>
        <message>
            <source>Free some space or choose a folder on another disk, then try again: it goes on where it stopped.</source>
            <translation>Libere espaço ou escolha uma pasta em outro disco, e tente de novo: continua de onde parou.</translation>
        </message>
        <message>
            <source>The path {folder} is too long for files inside it.</source>
            <translation>O caminho {folder} é longo demais para os arquivos dentro.</translation>
        </message>
        <message>
            <source>Choose a shorter one.</source>
            <translation>Escolha um mais curto.</translation>
        </message>
        <message>
            <source>A file in {folder} is in use by another program.</source>
            <translation>Um arquivo em {folder} está em uso por outro programa.</translation>
        </message>
        <message>
            <source>Wait for the engine's jobs to end, close other QGIS windows, then try again.</source>
            <translation>Espere as tarefas do motor terminarem, feche outras janelas do QGIS, e tente de novo.</translation>
        </message>
        <message>
            <source>The folder {folder} may not be written.</source>
            <translation>Não é permitido escrever na pasta {folder}.</translation>
        </message>
        <message>
            <source>Choose another folder, or ask who owns it.</source>
            <translation>Escolha outra pasta, ou pergunte ao dono dela.</translation>
        </message>
        <message>
            <source>A package that was fetched is not the one that was tested (its checksum differs).</source>
            <translation>Um pacote baixado não é o que foi testado (sua soma de verificação difere).</translation>
        </message>
        <message>
            <source>Try again; if it happens again, {index} serves something else: use another index, and tell its administrator.</source>
            <translation>Tente de novo; se acontecer outra vez, {index} fornece outra coisa: use outro índice e avise o administrador dele.</translation>
        </message>
        <message>
            <source>The Python {python} is managed by the system, which lets nothing be installed into it.</source>
            <translation>O Python {python} é gerido pelo sistema, que não deixa instalar nada nele.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python; QGIS's and the system's own stay as they are.</source>
            <translation>Instale python3-venv (no Debian e no Ubuntu), ou escolha outro Python; os do QGIS e do sistema ficam como estão.</translation>
        </message>
        <message>
            <source>The Python {python} cannot make an environment: it lacks venv or ensurepip.</source>
            <translation>O Python {python} não pode criar um ambiente: falta-lhe venv ou ensurepip.</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python.</source>
            <translation>Instale python3-venv (no Debian e no Ubuntu), ou escolha outro Python.</translation>
        </message>
        <message>
            <source>{index} cannot be reached.</source>
            <translation>{index} não pode ser alcançado.</translation>
        </message>
        <message>
            <source>Look at the network and at the proxy (Settings &gt; Options &gt; Network) and try again; on a machine without a network use a folder of wheels.</source>
            <translation>Verifique a rede e o proxy (Configurações &gt; Opções &gt; Rede) e tente de novo; numa máquina sem rede use uma pasta de wheels.</translation>
        </message>
        <message>
            <source>The connection to {index} broke off.</source>
            <translation>A conexão com {index} foi interrompida.</translation>
        </message>
        <message>
            <source>Try again: what was fetched is kept.</source>
            <translation>Tente de novo: o que foi baixado fica.</translation>
        </message>
        <message>
            <source>{index} is not secured (it is http, not https), so nothing is taken from it.</source>
            <translation>{index} não é seguro (é http, não https), por isso nada é tirado dele.</translation>
        </message>
        <message>
            <source>Write https:// where the index has it, or name its host as trusted-host in pip's configuration.</source>
            <translation>Escreva https:// se o índice o tiver, ou indique seu host como trusted-host na configuração do pip.</translation>
        </message>
        <message>
            <source>The Python {python} is too old or too new for the packages.</source>
            <translation>O Python {python} é antigo demais ou novo demais para os pacotes.</translation>
        </message>
        <message>
            <source>Choose a Python from 3.10 to 3.14, or let uv bring one.</source>
            <translation>Escolha um Python de 3.10 a 3.14, ou deixe o uv trazer um.</translation>
        </message>
        <message>
            <source>{index} has no {package} for this Python and this system.</source>
            <translation>{index} não tem {package} para este Python e este sistema.</translation>
        </message>
        <message>
            <source>Use another index or another Python; PyTorch comes from {torch}.</source>
            <translation>Use outro índice ou outro Python; o PyTorch vem de {torch}.</translation>
        </message>
        <message>
            <source>{index} refuses to give a package.</source>
            <translation>{index} recusa-se a dar um pacote.</translation>
        </message>
        <message>
            <source>Look at the index's address, its name and password under Advanced.</source>
            <translation>Verifique em Avançado o endereço do índice, seu nome e sua senha.</translation>
        </message>
        <message>
            <source>The NVIDIA driver is too old for this PyTorch.</source>
            <translation>O driver NVIDIA é antigo demais para este PyTorch.</translation>
        </message>
        <message>
            <source>Update the driver, or set the engine up for the processor.</source>
            <translation>Atualize o driver, ou instale o motor para o processador.</translation>
        </message>
        <message>
            <source>The graphics card has no memory free.</source>
            <translation>A placa gráfica não tem memória livre.</translation>
        </message>
        <message>
            <source>PyTorch finds no NVIDIA graphics card that it can use.</source>
            <translation>O PyTorch não encontra nenhuma placa gráfica NVIDIA que possa usar.</translation>
        </message>
        <message>
            <source>Install NVIDIA's driver, or set the engine up for the processor.</source>
            <translation>Instale o driver da NVIDIA, ou instale o motor para o processador.</translation>
        </message>
        <message>
            <source>The wheel folder {wheels} lacks {package} for this Python and this system.</source>
            <translation>Na pasta de wheels {wheels} falta, para este Python e este sistema: {package}.</translation>
        </message>
        <message>
            <source>Fill it with make wheelhouse for this system and this Python, then try again.</source>
            <translation>Encha-a com make wheelhouse para este sistema e este Python, e tente de novo.</translation>
        </message>
        <message>
            <source>The set-up stopped: {last}</source>
            <translation>A instalação parou: {last}</translation>
        </message>
        <message>
            <source>The log tells more; Copy Diagnostics takes it along.</source>
            <translation>O registro diz mais; Copiar diagnóstico o inclui.</translation>
        </message>
        <message>
            <source>no reason was given.</source>
            <translation>nenhum motivo foi dado.</translation>
        </message>
        <message>
            <source>The Python {} is not there any more.</source>
            <translation>O Python {} não está mais lá.</translation>
        </message>
        <message>
            <source>that uv brought</source>
            <translation>que o uv trouxe</translation>
        </message>
        <message>
            <source>a package</source>
            <translation>um pacote</translation>
        </message>
        <message>
            <source>Wait until it has ended, or cancel it there.</source>
            <translation>Espere até terminar, ou cancele lá.</translation>
        </message>
        <message>
            <source>What was fetched is kept for the next time.</source>
            <translation>O que foi baixado fica para a próxima vez.</translation>
        </message>
        <message>
            <source>{} does not answer like a Python.</source>
            <translation>{} não responde como um Python.</translation>
        </message>
        <message>
            <source>{python} cannot be used: {reason}.</source>
            <translation>{python} não pode ser usado: {reason}.</translation>
        </message>
        <message>
            <source>{} was not made by Set Up Engine…; remove it yourself.</source>
            <translation>{} não foi criado por Instalar motor…; remova-o você mesmo.</translation>
        </message>
        <message>
            <source>Wait until it has ended.</source>
            <translation>Espere até terminar.</translation>
        </message>
        <message>
            <source>{path} could not be removed: {reason}.</source>
            <translation>{path} não pôde ser removido: {reason}.</translation>
        </message>
        <message>
            <source>Another QGIS is setting up the engine in {}.</source>
            <translation>Outro QGIS está instalando o motor em {}.</translation>
        </message>
        <message>
            <source>This machine has an {card} ({memory}), driver {driver}.</source>
            <translation>Esta máquina tem uma {card} ({memory}), driver {driver}.</translation>
        </message>
        <message>
            <source>This is an Apple machine with a GPU of its own.</source>
            <translation>Esta é uma máquina Apple com GPU própria.</translation>
        </message>
        <message>
            <source>No NVIDIA graphics card with a working driver was found.</source>
            <translation>Não foi encontrada nenhuma placa gráfica NVIDIA com driver que funcione.</translation>
        </message>
        <message>
            <source>it is {}, not CPython</source>
            <translation>é {}, não CPython</translation>
        </message>
        <message>
            <source>it is a {}-bit Python</source>
            <translation>é um Python de {} bits</translation>
        </message>
        <message>
            <source>Python {number} is too old; {oldest} to {newest} will do</source>
            <translation>Python {number} é antigo demais; servem de {oldest} a {newest}</translation>
        </message>
        <message>
            <source>Python {number} is too new; {oldest} to {newest} will do</source>
            <translation>Python {number} é novo demais; servem de {oldest} a {newest}</translation>
        </message>
        <message>
            <source>it lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)</source>
            <translation>falta-lhe venv ou ensurepip (no Debian e no Ubuntu: instalar python3-venv)</translation>
        </message>
        <message>
            <source>The whole engine: pretraining, training, classification and assessment.</source>
            <translation>O motor inteiro: pré-treinamento, treinamento, classificação e avaliação.</translation>
        </message>
        <message>
            <source>Classification and assessment with models that others trained; no training.</source>
            <translation>Classificação e avaliação com modelos que outros treinaram; sem treinamento.</translation>
        </message>
        <message>
            <source>Computes on the processor.</source>
            <translation>Calcula no processador.</translation>
        </message>
        <message>
            <source>Computes on NVIDIA graphics cards.</source>
            <translation>Calcula em placas gráficas NVIDIA.</translation>
        </message>
        <message>
            <source>Computes on the Apple GPU.</source>
            <translation>Calcula na GPU Apple.</translation>
        </message>
        <message>
            <source>Exported classifiers (.onnx) are mapped on the processor: on NVIDIA cards that takes Python 3.11 or newer.</source>
            <translation>Os classificadores exportados (.onnx) mapeiam no processador: em placas NVIDIA é preciso Python 3.11 ou mais novo.</translation>
        </message>
        <message>
            <source>From the folder {}; no network is used.</source>
            <translation>Da pasta {}; nenhuma rede é usada.</translation>
        </message>
        <message>
            <source>Fetches about {size} from {hosts}.</source>
            <translation>Baixa cerca de {size} de {hosts}.</translation>
        </message>
        <message>
            <source>Takes about {size} in {folder}; {free} are free there.</source>
            <translation>Ocupa cerca de {size} em {folder}; lá há {free} livres.</translation>
        </message>
        <message>
            <source>PyTorch comes on top of that; its size was not measured.</source>
            <translation>A isso soma-se o PyTorch; seu tamanho não foi medido.</translation>
        </message>
        <message>
            <source>QGIS's own Python stays as it is.</source>
            <translation>O Python do QGIS fica como está.</translation>
        </message>
        <message>
            <source>The engine that is there stays until the new one has passed its check.</source>
            <translation>O motor atual fica até o novo passar na verificação.</translation>
        </message>
        <message>
            <source>{first} and {last}</source>
            <translation>{first} e {last}</translation>
        </message>
        <message>
            <source>uv, which is fetched first</source>
            <translation>uv, que é baixado primeiro</translation>
        </message>
        <message>
            <source>Installed by {tool}; it brings a Python {version} of its own.</source>
            <translation>Instalado com {tool}; ele traz seu próprio Python {version}.</translation>
        </message>
        <message>
            <source>Built from {python} by {tool}.</source>
            <translation>Construído a partir de {python} com {tool}.</translation>
        </message>
        <message>
            <source>The wheel folder {} holds no wheels (.whl). Choose the folder that make wheelhouse filled, or leave it empty to use the network.</source>
            <translation>A pasta de wheels {} não contém wheels (.whl). Escolha a pasta que make wheelhouse encheu, ou deixe o campo vazio para usar a rede.</translation>
        </message>
        <message>
            <source>The disk of {folder} has {free} free; {needed} are needed. Free some space, or choose a folder on another disk.</source>
            <translation>O disco de {folder} tem {free} livres; são necessários {needed}. Libere espaço, ou escolha uma pasta em outro disco.</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>GPU NVIDIA</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>GPU Apple</translation>
        </message>
        <message>
            <source>There are no ready-made packages for {system} on {machine}. Set the engine up on another machine, or choose an interpreter that has the packages.</source>
            <translation>Não há pacotes prontos para {system} em {machine}. Instale o motor em outra máquina, ou escolha um interpretador que tenha os pacotes.</translation>
        </message>
        <message>
            <source>There is no PyTorch for the device {device} on {system}. Choose the processor.</source>
            <translation>Não há PyTorch para o dispositivo {device} em {system}. Escolha o processador.</translation>
        </message>
        <message>
            <source>The NVIDIA driver {driver} is too old for these packages, which need {least} or newer. Update the driver, or choose the processor.</source>
            <translation>O controlador NVIDIA {driver} é demasiado antigo para estes pacotes, que precisam de {least} ou mais recente. Atualize o controlador ou escolha o processador.</translation>
        </message>
        <message>
            <source>Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; {python} is {version}. Choose another Python under Advanced, or the processor.</source>
            <translation>Aplicar classificadores exportados em placas NVIDIA requer Python 3.11 ou mais recente; {python} é {version}. Escolha outro Python nas opções avançadas, ou o processador.</translation>
        </message>
        <message>
            <source>No Python was found that the engine can be built from ({found}). Install Python {version} from python.org or your distribution, then try again.</source>
            <translation>Não foi encontrado nenhum Python a partir do qual construir o motor ({found}). Instale o Python {version} de python.org ou da sua distribuição, e tente de novo.</translation>
        </message>
        <message>
            <source>none at all</source>
            <translation>nenhum</translation>
        </message>
        <message>
            <source>{} lies inside the plugin, which an update of the plugin deletes. Choose a folder outside it.</source>
            <translation>{} está dentro do complemento, que é excluído ao ser atualizado. Escolha uma pasta fora dele.</translation>
        </message>
        <message>
            <source>The path {folder} is too long: files inside it would have {length} characters, {most} are possible. Choose a shorter one.</source>
            <translation>O caminho {folder} é longo demais: os arquivos dentro teriam {length} caracteres, e são possíveis {most}. Escolha um mais curto.</translation>
        </message>
        <message>
            <source>{} is a file. Choose a folder.</source>
            <translation>{} é um arquivo. Escolha uma pasta.</translation>
        </message>
        <message>
            <source>The folder {} holds other files, which would be replaced. Choose an empty or a new folder.</source>
            <translation>A pasta {} contém outros arquivos, que seriam substituídos. Escolha uma pasta vazia ou nova.</translation>
        </message>
        <message>
            <source>The folder {} may not be written by you. Choose another folder.</source>
            <translation>Você não tem permissão para escrever na pasta {}. Escolha outra pasta.</translation>
        </message>
        <message>
            <source>Found the training polygons {}; nothing says of which scene they are.</source>
            <translation>Polígonos de treinamento {} encontrados; nada indica de que cena são.</translation>
        </message>
        <message>
            <source>{} (earlier)</source>
            <translation>{} (anterior)</translation>
        </message>
        <message>
            <source>'{}' cannot be the name of a file.</source>
            <translation>'{}' não pode ser nome de arquivo.</translation>
        </message>
        <message>
            <source>There is a file {} already; choose another name.</source>
            <translation>Já há um arquivo {}; escolha outro nome.</translation>
        </message>
        <message>
            <source>{} is not a model of MTMSD.</source>
            <translation>{} não é um modelo do MTMSD.</translation>
        </message>
        <message>
            <source>Set to {shown}, its file says {written}: set the layer back, or the file right (Assign Projection), else polygons lie elsewhere for the engine, which reads the file.</source>
            <translation>Definido como {shown}, seu arquivo diz {written}: restaure a camada ou corrija o arquivo (Atribuir projeção); senão os polígonos ficam em outro lugar para o motor, que lê o arquivo.</translation>
        </message>
        <message>
            <source>none</source>
            <translation>nenhum</translation>
        </message>
        <message>
            <source>There is no folder to write to: {} cannot be created.</source>
            <translation>Não há pasta onde escrever: {} não pode ser criado.</translation>
        </message>
        <message>
            <source>{} holds no classes.</source>
            <translation>{} não contém classes.</translation>
        </message>
        <message>
            <source>number</source>
            <translation>número</translation>
        </message>
        <message>
            <source>name</source>
            <translation>nome</translation>
        </message>
        <message>
            <source>{file} has the {what} {value} twice.</source>
            <translation>{file} contém duas vezes o {what} {value}.</translation>
        </message>
        <message>
            <source>{} needs the columns value, name and colour.</source>
            <translation>{} precisa das colunas value, name e color.</translation>
        </message>
        <message>
            <source>line {}</source>
            <translation>linha {}</translation>
        </message>
        <message>
            <source>{}, {}: a cell is missing.</source>
            <translation>{}, {}: falta uma célula.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{value}' is no class number from 1 to {most}.</source>
            <translation>{file}, {place}: '{value}' não é um número de classe de 1 a {most}.</translation>
        </message>
        <message>
            <source>{file}, {place}: '{color}' is no colour; write it like #1a7837.</source>
            <translation>{file}, {place}: '{color}' não é uma cor; escreva-a como #1a7837.</translation>
        </message>
        <message>
            <source>class {}</source>
            <translation>classe {}</translation>
        </message>
        <message>
            <source>{} is no style of QGIS.</source>
            <translation>{} não é um estilo do QGIS.</translation>
        </message>
        <message>
            <source>{} is a style of another kind: it has neither categories nor a palette.</source>
            <translation>{} é um estilo de outro tipo: não tem categorias nem paleta.</translation>
        </message>
        <message>
            <source>{} cannot be written: {}.</source>
            <translation>{} não pode ser escrito: {}.</translation>
        </message>
        <message>
            <source>{} cannot be read: {}.</source>
            <translation>{} não pode ser lido: {}.</translation>
        </message>
        <message>
            <source>The imported spectra in {} are of other bands; import them again.</source>
            <translation>Os espectros importados em {} são de outras bandas; importe-os de novo.</translation>
        </message>
        <message>
            <source>{} cannot be written, so unsaved polygons were not recovered.</source>
            <translation>{} não pode ser escrito, por isso polígonos não salvos não foram recuperados.</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}.</source>
            <translation>{path} não pode ser escrito: {reason}.</translation>
        </message>
        <message>
            <source>The field '{field}' of '{layer}' holds the class {value}; classes are whole numbers from 1 to {most}. Choose another field, or renumber them.</source>
            <translation>O campo '{field}' de '{layer}' contém a classe {value}; as classes são números inteiros de 1 a {most}. Escolha outro campo ou renumere as classes.</translation>
        </message>
        <message>
            <source>{} has more than {} values; it holds no classes.</source>
            <translation>{} tem mais de {} valores; não contém classes.</translation>
        </message>
        <message>
            <source>{} has {} regions, too many to be edited as polygons; train with the raster itself, in the Processing Toolbox.</source>
            <translation>{} tem {} regiões, demais para editar como polígonos; treine com o próprio raster, na caixa de ferramentas de processamento.</translation>
        </message>
        <message>
            <source>{} is in a folder that cannot be written, so its polygons are read-only.</source>
            <translation>{} está numa pasta em que não se pode gravar, por isso seus polígonos são somente leitura.</translation>
        </message>
        <message>
            <source>Another QGIS (process {pid} on {host}) edits {file}; here its polygons are read-only. If that QGIS is gone, delete {lock}.</source>
            <translation>Outro QGIS (processo {pid} em {host}) está editando {file}; aqui seus polígonos são somente leitura. Se aquele QGIS não estiver mais em execução, exclua {lock}.</translation>
        </message>
        <message>
            <source>{layer} cannot be brought from its coordinate system, {own}, to the scene's, {scene}; check both.</source>
            <translation>{layer} não pode ser levada do seu sistema de coordenadas, {own}, ao da cena, {scene}; verifique os dois.</translation>
        </message>
        <message>
            <source>The coordinate system of {}, {}, is of no place; the scene's was taken.</source>
            <translation>O sistema de coordenadas de {}, {}, não é de lugar nenhum; foi tomado o da cena.</translation>
        </message>
        <message>
            <source>{} has no coordinate system; the scene's was taken.</source>
            <translation>{} não tem sistema de coordenadas; foi tomado o da cena.</translation>
        </message>
        <message>
            <source>Without a place in the scene's coordinate system, not taken: {}</source>
            <translation>Sem lugar no sistema de coordenadas da cena, não tomados: {}</translation>
        </message>
        <message>
            <source>{} cannot be read.</source>
            <translation>{} não pode ser lido.</translation>
        </message>
        <message>
            <source>{} is not written; choose .csv, .sli or .gpkg.</source>
            <translation>{} não pode ser escrito nesse formato; escolha .csv, .sli ou .gpkg.</translation>
        </message>
        <message>
            <source>{} cannot be opened as training polygons.</source>
            <translation>{} não pode ser aberto como polígonos de treinamento.</translation>
        </message>
        <message>
            <source>No class</source>
            <translation>Sem classe</translation>
        </message>
    </context>
    <context>
        <name>MapLegend</name>
        <message>
            <source>Class</source>
            <translation>Classe</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>Pixels</translation>
        </message>
        <message>
            <source>Area</source>
            <translation>Área</translation>
        </message>
        <message>
            <source>Pixels and area of each class in the map; right click: hide it, its opacity</source>
            <translation>Pixels e área de cada classe no mapa; clique direito: ocultá-la, sua opacidade</translation>
        </message>
        <message>
            <source>The map has a style of your own, without classes.</source>
            <translation>O mapa tem um estilo seu, sem classes.</translation>
        </message>
        <message>
            <source>Show the class in the map; its opacity: {}</source>
            <translation>Mostrar a classe no mapa; sua opacidade: {}</translation>
        </message>
        <message>
            <source>Hide the Class</source>
            <translation>Ocultar a classe</translation>
        </message>
        <message>
            <source>Show the Class</source>
            <translation>Mostrar a classe</translation>
        </message>
        <message>
            <source>Show Only This Class</source>
            <translation>Mostrar só esta classe</translation>
        </message>
        <message>
            <source>Show All Classes</source>
            <translation>Mostrar todas as classes</translation>
        </message>
        <message>
            <source>Opacity {}</source>
            <translation>Opacidade {}</translation>
        </message>
    </context>
    <context>
        <name>MapOptions</name>
        <message>
            <source>Stack of several</source>
            <translation>Stacking de vários</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>Support vector machine</source>
            <translation>Máquina de vetores de suporte</translation>
        </message>
        <message>
            <source>SVM, tuned by polygons</source>
            <translation>SVM, ajustada por polígonos</translation>
        </message>
        <message>
            <source>Random forest</source>
            <translation>Floresta aleatória</translation>
        </message>
        <message>
            <source>Another classifier, and filters for the finished map</source>
            <translation>Outro classificador, e filtros para o mapa pronto</translation>
        </message>
        <message>
            <source>spectra and surroundings</source>
            <translation>espectros e vizinhança</translation>
        </message>
        <message>
            <source>spectra only</source>
            <translation>só espectros</translation>
        </message>
        <message>
            <source>The stack listens to several classifiers, and to MTMSD once the scene is pretrained; MTMSD alone learns from spectra and their surroundings on the pretrained model; the others see spectra only. All but MTMSD need no model and take seconds without one</source>
            <translation>O stacking ouve vários classificadores, e o MTMSD assim que a cena estiver pré-treinada; o MTMSD sozinho aprende com os espectros e seu entorno sobre o modelo pré-treinado; os outros só veem espectros. Todos, menos o MTMSD, dispensam modelo e então levam segundos</translation>
        </message>
        <message>
            <source>Rare classes matter</source>
            <translation>Valorizar classes raras</translation>
        </message>
        <message>
            <source>Classes of few training pixels are found more often, at the cost of the large ones: a higher average accuracy, a little less overall accuracy</source>
            <translation>Classes de poucos pixels de treinamento são encontradas mais vezes, à custa das grandes: acurácia média maior, acurácia global um pouco menor</translation>
        </message>
        <message>
            <source> %</source>
            <translation> %</translation>
        </message>
        <message>
            <source>Pixels of lower confidence get a class of their own, 'unknown'</source>
            <translation>Pixels de confiança menor recebem uma classe própria, 'unknown'</translation>
        </message>
        <message>
            <source>Off</source>
            <translation>Não</translation>
        </message>
        <message>
            <source>{0} × {0} px</source>
            <translation>{0} × {0} px</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of the square around it</source>
            <translation>Cada pixel recebe a classe mais frequente do quadrado ao seu redor</translation>
        </message>
        <message>
            <source> px</source>
            <translation> px</translation>
        </message>
        <message>
            <source>Minimum mapping unit: smaller regions join their largest neighbour</source>
            <translation>Unidade mínima de mapeamento: regiões menores juntam-se à maior vizinha</translation>
        </message>
        <message>
            <source>By the polygons</source>
            <translation>Pelos polígonos</translation>
        </message>
        <message>
            <source>Side of the squares in which regions with true edges begin</source>
            <translation>Lado dos quadrados em que começam as regiões com contornos reais</translation>
        </message>
        <message>
            <source>Unknown below</source>
            <translation>Desconhecido abaixo de</translation>
        </message>
        <message>
            <source>Smooth by majority</source>
            <translation>Suavizar</translation>
        </message>
        <message>
            <source>Smallest region</source>
            <translation>Menor região</translation>
        </message>
        <message>
            <source>Size of regions</source>
            <translation>Tamanho das regiões</translation>
        </message>
        <message>
            <source>rare classes</source>
            <translation>classes raras</translation>
        </message>
        <message>
            <source>filters</source>
            <translation>filtros</translation>
        </message>
        <message>
            <source>More</source>
            <translation>Mais</translation>
        </message>
    </context>
    <context>
        <name>MapProducts</name>
        <message>
            <source>Polygoni&amp;ze</source>
            <translation>Poligoni&amp;zar</translation>
        </message>
        <message>
            <source>Regions with True E&amp;dges</source>
            <translation>Regiõe&amp;s com contornos reais</translation>
        </message>
        <message>
            <source>Where to Label Ne&amp;xt</source>
            <translation>Onde rotular a seguir</translation>
        </message>
        <message>
            <source>The map's regions with class, area and confidence, as a GeoPackage</source>
            <translation>As regiões do mapa com classe, área e confiança, como GeoPackage</translation>
        </message>
        <message>
            <source>Regions that are learnt with their classes from the training polygons, with the share of each class, and what they cost beside this map</source>
            <translation>Regiões aprendidas com suas classes dos polígonos de treinamento, com a parcela de cada classe, e o que custam em comparação com este mapa</translation>
        </message>
        <message>
            <source>20 places in doubt, spread over the scene, to be labelled</source>
            <translation>20 lugares em dúvida, espalhados pela cena, a rotular</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Primeiro vem Mapear cena.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Desenhe primeiro polígonos de treinamento.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>O arquivo do classificador não existe mais; clique em Mapear cena mais uma vez.</translation>
        </message>
        <message>
            <source>Outlining the map's regions</source>
            <translation>Traçando as regiões do mapa</translation>
        </message>
        <message>
            <source>Learning regions with true edges</source>
            <translation>Aprendendo regiões com contornos reais</translation>
        </message>
        <message>
            <source>Looking for places to label</source>
            <translation>Procurando lugares a rotular</translation>
        </message>
        <message>
            <source>Mapping with probabilities</source>
            <translation>Mapeando com probabilidades</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>Polígonos</translation>
        </message>
        <message>
            <source>{polygons} outline the map's regions: {file}</source>
            <translation>{polygons} que delimitam as regiões do mapa: {file}</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>Mapa de classes das regiões</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>Regiões com contornos reais</translation>
        </message>
        <message>
            <source>{count} regions with true edges.</source>
            <translation>{count} regiões com contornos reais.</translation>
        </message>
        <message>
            <source>Held-out pixels that have the class of their region: {overall}; at best, with these regions: {achievable}.</source>
            <translation>Pixels reservados com a classe da sua região: {overall}; no melhor caso, com estas regiões: {achievable}.</translation>
        </message>
        <message>
            <source>The map of single pixels: {}.</source>
            <translation>O mapa pixel a pixel: {}.</translation>
        </message>
        <message>
            <source>Report: {}</source>
            <translation>Relatório: {}</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>Pontos a rotular</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>{} não pode ser aberto como camada vetorial.</translation>
        </message>
    </context>
    <context>
        <name>MapSection</name>
        <message>
            <source>6  Map</source>
            <translation>6  Mapa</translation>
        </message>
        <message>
            <source>Previe&amp;w</source>
            <translation>Prév&amp;ia</translation>
        </message>
        <message>
            <source>&amp;Map Scene</source>
            <translation>&amp;Mapear cena</translation>
        </message>
        <message>
            <source>Map what the map window shows, as a temporary layer</source>
            <translation>Mapear o que a janela do mapa mostra, como camada temporária</translation>
        </message>
        <message>
            <source>Map the whole raster into a GeoTIFF, with its confidence</source>
            <translation>Mapear todo o raster num GeoTIFF, com sua confiança</translation>
        </message>
        <message>
            <source>Models…</source>
            <translation>Modelos…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>What was learned: look, use, rename, export, delete, free disk space</source>
            <translation>O que foi aprendido: ver, usar, renomear, exportar, excluir, liberar espaço</translation>
        </message>
        <message>
            <source>Polygons or classifier have changed since {}.</source>
            <translation>Polígonos ou classificador mudaram desde {}.</translation>
        </message>
        <message>
            <source>The filters have changed since {}.</source>
            <translation>Os filtros mudaram desde {}.</translation>
        </message>
        <message>
            <source>Map: {}</source>
            <translation>Mapa: {}</translation>
        </message>
        <message>
            <source>Ready to map.</source>
            <translation>Pronto para mapear.</translation>
        </message>
        <message>
            <source>Ready for a first map, without pretraining.</source>
            <translation>Pronto para um primeiro mapa, sem pré-treinamento.</translation>
        </message>
        <message>
            <source>From a library alone: {}.</source>
            <translation>Só de uma biblioteca: {}.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Esperando as bandas do raster.</translation>
        </message>
        <message>
            <source>Pretrain the scene first, or choose another classifier under More.</source>
            <translation>Pré-treine primeiro a cena, ou escolha outro classificador em Mais.</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>Desenhe primeiro polígonos de treinamento.</translation>
        </message>
        <message>
            <source>The classifier MTMSD cannot learn spectra; choose another under More, or use none of them for training.</source>
            <translation>O classificador MTMSD não pode aprender espectros; escolha outro em Mais, ou não use nenhum deles no treinamento.</translation>
        </message>
        <message>
            <source>Draw polygons of at least two classes.</source>
            <translation>Desenhe polígonos de pelo menos duas classes.</translation>
        </message>
        <message>
            <source>Draw more of {}: each class needs {} pixels.</source>
            <translation>Desenhe mais de {}: cada classe precisa de {} pixels.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Espere até a tarefa em execução terminar.</translation>
        </message>
        <message>
            <source>The map window shows no part of the scene; zoom to it first.</source>
            <translation>A janela do mapa não mostra nada da cena; aproxime-se dela primeiro.</translation>
        </message>
        <message>
            <source>Learning the classes</source>
            <translation>Aprendendo as classes</translation>
        </message>
        <message>
            <source>Mapping the view</source>
            <translation>Mapeando a vista</translation>
        </message>
        <message>
            <source>Mapping the scene</source>
            <translation>Mapeando a cena</translation>
        </message>
        <message>
            <source>Canceled; nothing was changed.</source>
            <translation>Cancelado; nada foi mudado.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Mapa de classes</translation>
        </message>
        <message>
            <source>Preview</source>
            <translation>Prévia</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} não pode ser aberto como raster.</translation>
        </message>
    </context>
    <context>
        <name>MapView</name>
        <message>
            <source>What the map was made with</source>
            <translation>Com que o mapa foi feito</translation>
        </message>
        <message>
            <source>Opacity of the map over the scene</source>
            <translation>Opacidade do mapa sobre a cena</translation>
        </message>
        <message>
            <source>Con&amp;fidence</source>
            <translation>Con&amp;fiança</translation>
        </message>
        <message>
            <source>Map Scene writes the confidence too.</source>
            <translation>Mapear cena escreve também a confiança.</translation>
        </message>
        <message>
            <source>Opacit&amp;y</source>
            <translation>&amp;Opacidade</translation>
        </message>
        <message>
            <source>Show how sure the classifier is, from 0 to 1</source>
            <translation>Mostrar quão seguro está o classificador, de 0 a 1</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>Confiança</translation>
        </message>
    </context>
    <context>
        <name>MaskRow</name>
        <message>
            <source>No mask</source>
            <translation>Sem máscara</translation>
        </message>
        <message>
            <source>Clouds, shadow, water to leave out: polygons, a raster on the scene's grid (all but 0), or the masks that come with a scene of EnMAP, EMIT or PRISMA</source>
            <translation>Nuvens, sombra, água a deixar de fora: polígonos, um raster na grade da cena (tudo menos 0) ou as máscaras que acompanham uma cena EnMAP, EMIT ou PRISMA</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: bits=10,11 or values=3,8; empty: all but 0</source>
            <translation>O que conta num raster de máscara: bits=10,11 ou values=3,8; vazio: tudo menos 0</translation>
        </message>
        <message>
            <source>A mask is remembered by its file, and the layer {} has none; save it as one.</source>
            <translation>Uma máscara é lembrada pelo seu arquivo, e a camada {} não tem nenhum; salve-a em um.</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>Máscaras do produto</translation>
        </message>
    </context>
    <context>
        <name>MatrixView</name>
        <message>
            <source>Map</source>
            <translation>Mapa</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Referência</translation>
        </message>
        <message>
            <source>{} pixels of {} are mapped as {}</source>
            <translation>{} pixels de {} estão mapeados como {}</translation>
        </message>
    </context>
    <context>
        <name>ModelsDialog</name>
        <message>
            <source>Models of {}</source>
            <translation>Modelos de {}</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Nome</translation>
        </message>
        <message>
            <source>Kind</source>
            <translation>Tipo</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Tamanho</translation>
        </message>
        <message>
            <source>Date</source>
            <translation>Data</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Cena</translation>
        </message>
        <message>
            <source>&amp;Use</source>
            <translation>&amp;Usar</translation>
        </message>
        <message>
            <source>Re&amp;name…</source>
            <translation>&amp;Renomear…</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>&amp;Exportar…</translation>
        </message>
        <message>
            <source>&amp;Delete…</source>
            <translation>E&amp;xcluir…</translation>
        </message>
        <message>
            <source>&amp;Free Disk Space…</source>
            <translation>&amp;Liberar espaço…</translation>
        </message>
        <message>
            <source>In use for {}.</source>
            <translation>Em uso para {}.</translation>
        </message>
        <message>
            <source>No model is selected.</source>
            <translation>Nenhum modelo selecionado.</translation>
        </message>
        <message>
            <source>Select a model.</source>
            <translation>Selecione um modelo.</translation>
        </message>
        <message>
            <source>Map the scene with this classifier now</source>
            <translation>Mapear a cena com este classificador agora</translation>
        </message>
        <message>
            <source>Take this diffusion model for the scene</source>
            <translation>Tomar este modelo de difusão para a cena</translation>
        </message>
        <message>
            <source>Give the file another name</source>
            <translation>Dar outro nome ao arquivo</translation>
        </message>
        <message>
            <source>Copy the file; one with a network also as ONNX</source>
            <translation>Copiar o arquivo; se tiver rede, também como ONNX</translation>
        </message>
        <message>
            <source>Delete the file, after a question</source>
            <translation>Excluir o arquivo, após confirmação</translation>
        </message>
        <message>
            <source>The scene has no folder yet.</source>
            <translation>A cena ainda não tem pasta.</translation>
        </message>
        <message>
            <source>Delete earlier maps, reports and checkpoints of this scene that nothing shows or needs any more, after a question; models and polygons stay</source>
            <translation>Excluir mapas, relatórios e pontos de controle anteriores desta cena que nada mais mostra nem usa, após confirmação; modelos e polígonos ficam</translation>
        </message>
        <message>
            <source>Rename Model</source>
            <translation>Renomear modelo</translation>
        </message>
        <message>
            <source>Delete {}? This cannot be undone.</source>
            <translation>Excluir {}? Isto não pode ser desfeito.</translation>
        </message>
        <message>
            <source>MTMSD model (*.safetensors)</source>
            <translation>Modelo MTMSD (*.safetensors)</translation>
        </message>
        <message>
            <source>ONNX (*.onnx)</source>
            <translation>ONNX (*.onnx)</translation>
        </message>
        <message>
            <source>Export Model</source>
            <translation>Exportar modelo</translation>
        </message>
        <message>
            <source>{} is the file itself; choose another.</source>
            <translation>{} é o próprio arquivo; escolha outro.</translation>
        </message>
        <message>
            <source>The model was saved to {}.</source>
            <translation>O modelo foi salvo em {}.</translation>
        </message>
        <message>
            <source>{} is no classifier with a diffusion network; only those are written as ONNX. Export it as .safetensors.</source>
            <translation>{} não é um classificador com rede de difusão; só esses são escritos como ONNX. Exporte-o como .safetensors.</translation>
        </message>
        <message>
            <source>Exporting {}</source>
            <translation>Exportando {}</translation>
        </message>
        <message>
            <source>The classifier was exported to {}.</source>
            <translation>O classificador foi exportado para {}.</translation>
        </message>
        <message>
            <source>Nothing to delete: all files of {} are needed.</source>
            <translation>Nada a excluir: todos os arquivos de {} são necessários.</translation>
        </message>
        <message>
            <source>Files of earlier maps: {count}, {size}. Delete them? Neither this project nor the scene needs them; another project that shows them loses them. This cannot be undone.</source>
            <translation>Arquivos de mapas anteriores: {count}, {size}. Excluí-los? Nem este projeto nem a cena precisam deles; outro projeto que os mostre vai perdê-los. Isto não pode ser desfeito.</translation>
        </message>
        <message>
            <source>{} are free now.</source>
            <translation>{} liberados.</translation>
        </message>
        <message>
            <source>A job works in {}; wait until it has ended.</source>
            <translation>Uma tarefa trabalha em {}; espere até ela terminar.</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>Excluir</translation>
        </message>
    </context>
    <context>
        <name>MoreSettings</name>
        <message>
            <source>More settings</source>
            <translation>Mais configurações</translation>
        </message>
        <message>
            <source>Seldom needed; the Processing help lists every number</source>
            <translation>Raramente preciso; a ajuda do Processamento dá cada número</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same map</source>
            <translation>A mesma semente na mesma máquina dá o mesmo mapa</translation>
        </message>
        <message>
            <source>Bands to leave out besides the bad ones that are found</source>
            <translation>Bandas a deixar de fora além das ruins que são encontradas</translation>
        </message>
        <message>
            <source>Single numbers of the preset, as KEY=VALUE</source>
            <translation>Números soltos da predefinição, como KEY=VALUE</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Semente</translation>
        </message>
        <message>
            <source>Leave &amp;out</source>
            <translation>Dei&amp;xar fora</translation>
        </message>
        <message>
            <source>Num&amp;bers</source>
            <translation>&amp;Números</translation>
        </message>
    </context>
    <context>
        <name>MtmsdDock</name>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>choose a hyperspectral raster, or open one.</source>
            <translation>escolha um raster hiperespectral, ou abra um.</translation>
        </message>
        <message>
            <source>learn the scene without labels, in the background.</source>
            <translation>aprenda a cena sem rótulos, em segundo plano.</translation>
        </message>
        <message>
            <source>add classes, or take them from a layer.</source>
            <translation>adicione classes ou tome-as de uma camada.</translation>
        </message>
        <message>
            <source>draw some polygons of each class.</source>
            <translation>desenhe alguns polígonos de cada classe.</translation>
        </message>
        <message>
            <source>see whether the classes can be told apart.</source>
            <translation>veja se as classes são separáveis.</translation>
        </message>
        <message>
            <source>preview what you see, then map the scene.</source>
            <translation>veja uma prévia da vista, depois mapeie a cena.</translation>
        </message>
        <message>
            <source>how far the map can be trusted.</source>
            <translation>até que ponto se pode confiar no mapa.</translation>
        </message>
        <message>
            <source>No browser opens the page; it is {}.</source>
            <translation>Nenhum navegador abre a página; ela está em {}.</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>O motor está pronto.</translation>
        </message>
        <message>
            <source>{} came to its end while QGIS was closed.</source>
            <translation>{} terminou enquanto o QGIS estava fechado.</translation>
        </message>
        <message>
            <source>{} is done after {}.</source>
            <translation>{} terminou após {}.</translation>
        </message>
        <message>
            <source>{} was removed; the running job goes on with its file.</source>
            <translation>{} foi removido; a tarefa em execução continua com seu arquivo.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenes</name>
        <message>
            <source>Map Other Scenes…</source>
            <translation>Mapear outras cenas…</translation>
        </message>
        <message>
            <source>Map layers, files or the scenes of a folder with this scene's classifier</source>
            <translation>Mapear camadas, arquivos ou as cenas de uma pasta com o classificador desta cena</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>Primeiro vem Mapear cena.</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>O arquivo do classificador não existe mais; clique em Mapear cena mais uma vez.</translation>
        </message>
        <message>
            <source>Mapping other scenes</source>
            <translation>Mapeando outras cenas</translation>
        </message>
        <message>
            <source>Canceled; the finished maps are in {}. The same scenes and folder go on there.</source>
            <translation>Cancelado; os mapas prontos estão em {}. Com as mesmas cenas e a mesma pasta, continua de onde parou.</translation>
        </message>
        <message>
            <source>Other scenes</source>
            <translation>Outras cenas</translation>
        </message>
        <message>
            <source>{count} of {all} scenes were mapped into {folder}.</source>
            <translation>{count} de {all} cenas foram mapeadas em {folder}.</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>Mapa de classes</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>{} não pode ser aberto como raster.</translation>
        </message>
    </context>
    <context>
        <name>OtherScenesDialog</name>
        <message>
            <source>Map Other Scenes</source>
            <translation>Mapear outras cenas</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>Cena</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandas</translation>
        </message>
        <message>
            <source>Result</source>
            <translation>Resultado</translation>
        </message>
        <message>
            <source>Those with as many bands as the scene are ticked; tick or untick others.</source>
            <translation>As que têm tantas bandas quanto a cena estão marcadas; marque ou desmarque outras.</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, of the scene's name</source>
            <translation>Recebe um mapa de classes por cena, com o nome da cena</translation>
        </message>
        <message>
            <source>One mosaic of all maps, for scenes on one grid</source>
            <translation>Um mosaico de todos os mapas, para cenas na mesma grade</translation>
        </message>
        <message>
            <source>Where maps overlap, their probabilities are blended.</source>
            <translation>Onde os mapas se sobrepõem, suas probabilidades são mescladas.</translation>
        </message>
        <message>
            <source>Leave out the clouds and shadows that products mark</source>
            <translation>Deixar de fora nuvens e sombras marcadas nos produtos</translation>
        </message>
        <message>
            <source>Of scenes of EnMAP, EMIT or PRISMA</source>
            <translation>De cenas EnMAP, EMIT ou PRISMA</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>Pasta dos mapas</translation>
        </message>
        <message>
            <source>Add Files…</source>
            <translation>Adicionar arquivos…</translation>
        </message>
        <message>
            <source>Add Folder…</source>
            <translation>Adicionar pasta…</translation>
        </message>
        <message>
            <source>Tick All</source>
            <translation>Marcar todas</translation>
        </message>
        <message>
            <source>Untick All</source>
            <translation>Desmarcar todas</translation>
        </message>
        <message>
            <source>Map Scenes</source>
            <translation>Mapear cenas</translation>
        </message>
        <message>
            <source>Cancel Job</source>
            <translation>Cancelar tarefa</translation>
        </message>
        <message>
            <source>Finished maps are kept</source>
            <translation>Os mapas prontos ficam</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>Fechar</translation>
        </message>
        <message>
            <source>A job goes on without this window</source>
            <translation>Uma tarefa continua sem esta janela</translation>
        </message>
        <message>
            <source>Mapped: {}</source>
            <translation>Mapeadas: {}</translation>
        </message>
        <message>
            <source>Add Scenes</source>
            <translation>Adicionar cenas</translation>
        </message>
        <message>
            <source>Add the Scenes of a Folder</source>
            <translation>Adicionar as cenas de uma pasta</translation>
        </message>
        <message>
            <source>There is no raster in this folder.</source>
            <translation>Não há raster nesta pasta.</translation>
        </message>
        <message>
            <source>Classifier: {}</source>
            <translation>Classificador: {}</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Espere até a tarefa em execução terminar.</translation>
        </message>
        <message>
            <source>Choose scenes: tick them in the list, or add files or a folder.</source>
            <translation>Escolha cenas: marque-as na lista ou adicione arquivos ou uma pasta.</translation>
        </message>
        <message>
            <source>Choose the folder of the maps.</source>
            <translation>Escolha a pasta dos mapas.</translation>
        </message>
        <message>
            <source>Map the ticked scenes with this classifier</source>
            <translation>Mapear as cenas marcadas com este classificador</translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>Learns, trains, maps and assesses, with PyTorch</source>
            <translation>Aprende, treina, mapeia e avalia, com PyTorch</translation>
        </message>
        <message>
            <source>Classifies and assesses with models that others trained</source>
            <translation>Classifica e avalia com modelos que outros treinaram</translation>
        </message>
        <message>
            <source>For which device the packages are installed</source>
            <translation>Para qual dispositivo os pacotes são instalados</translation>
        </message>
        <message>
            <source>Where the environment will lie; an update of the plugin does not touch it</source>
            <translation>Onde ficará o ambiente; uma atualização do complemento não o toca</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>&amp;Dispositivo</translation>
        </message>
        <message>
            <source>Fol&amp;der</source>
            <translation>&amp;Pasta</translation>
        </message>
        <message>
            <source>An index of packages that replaces the ordinary one, PyTorch's too</source>
            <translation>Um índice de pacotes no lugar do comum, também para o PyTorch</translation>
        </message>
        <message>
            <source>http://user[:password]@host:port; empty: the one QGIS has</source>
            <translation>http://user[:password]@host:port; vazio: o do QGIS</translation>
        </message>
        <message>
            <source>A folder of wheels, for a machine without network; then none is used</source>
            <translation>Uma pasta de wheels, para uma máquina sem rede; então nenhuma é usada</translation>
        </message>
        <message>
            <source>The Python to build from, or that of an environment that has everything</source>
            <translation>O Python de que construir, ou o de um ambiente que tem tudo</translation>
        </message>
        <message>
            <source>Advanced</source>
            <translation>Avançado</translation>
        </message>
        <message>
            <source>&amp;Index URL</source>
            <translation>URL do índ&amp;ice</translation>
        </message>
        <message>
            <source>Pro&amp;xy</source>
            <translation>Pro&amp;xy</translation>
        </message>
        <message>
            <source>&amp;Wheel folder</source>
            <translation>Pasta de &amp;wheels</translation>
        </message>
        <message>
            <source>P&amp;ython</source>
            <translation>P&amp;ython</translation>
        </message>
        <message>
            <source>the ordinary one</source>
            <translation>o comum</translation>
        </message>
        <message>
            <source>none</source>
            <translation>nenhum</translation>
        </message>
        <message>
            <source>the best that is there</source>
            <translation>o melhor que houver</translation>
        </message>
        <message>
            <source>&amp;Everything</source>
            <translation>&amp;Tudo</translation>
        </message>
        <message>
            <source>Classify &amp;only</source>
            <translation>Só &amp;classificar</translation>
        </message>
        <message>
            <source>{} (≈ {})</source>
            <translation>{} (≈ {})</translation>
        </message>
        <message>
            <source>Looking at this machine…</source>
            <translation>Examinando esta máquina…</translation>
        </message>
        <message>
            <source>{} (Python {}) has all the engine's libraries already: nothing is installed.</source>
            <translation>{} (Python {}) já tem todas as bibliotecas do motor: nada é instalado.</translation>
        </message>
    </context>
    <context>
        <name>PolygonsSection</name>
        <message>
            <source>4  Polygons</source>
            <translation>4  Polígonos</translation>
        </message>
        <message>
            <source>Draw a polygon; right or double click ends it</source>
            <translation>Desenhar um polígono; o clique direito ou duplo o termina</translation>
        </message>
        <message>
            <source>Drag a rectangle</source>
            <translation>Arrastar um retângulo</translation>
        </message>
        <message>
            <source>Drag an outline freehand</source>
            <translation>Arrastar um contorno à mão livre</translation>
        </message>
        <message>
            <source>Click a pixel: similar neighbours join it</source>
            <translation>Clicar num pixel: vizinhos parecidos juntam-se a ele</translation>
        </message>
        <message>
            <source>There is nothing to undo.</source>
            <translation>Não há nada a desfazer.</translation>
        </message>
        <message>
            <source>There is nothing to redo.</source>
            <translation>Não há nada a refazer.</translation>
        </message>
        <message>
            <source>Select polygons</source>
            <translation>Selecionar polígonos</translation>
        </message>
        <message>
            <source>Move vertices of a polygon</source>
            <translation>Mover vértices de um polígono</translation>
        </message>
        <message>
            <source>Move polygons</source>
            <translation>Mover polígonos</translation>
        </message>
        <message>
            <source>Delete the selected polygons</source>
            <translation>Excluir os polígonos selecionados</translation>
        </message>
        <message>
            <source>Save the polygons to their file</source>
            <translation>Salvar os polígonos no seu arquivo</translation>
        </message>
        <message>
            <source>How far a pixel's spectrum may be from the clicked one</source>
            <translation>Quanto o espectro de um pixel pode diferir do clicado</translation>
        </message>
        <message>
            <source>Add Re&amp;gion</source>
            <translation>Adicionar região</translation>
        </message>
        <message>
            <source>Take the shown region as a polygon (right click, Enter)</source>
            <translation>Tomar a região mostrada como polígono (clique direito, Enter)</translation>
        </message>
        <message>
            <source>Tolerance</source>
            <translation>Tolerância</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>Espere até a camada ser lida.</translation>
        </message>
        <message>
            <source>Add a class first, and select it.</source>
            <translation>Adicione primeiro uma classe e selecione-a.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Esperando as bandas do raster.</translation>
        </message>
        <message>
            <source>There are no polygons yet.</source>
            <translation>Ainda não há polígonos.</translation>
        </message>
        <message>
            <source>All polygons are saved.</source>
            <translation>Todos os polígonos estão salvos.</translation>
        </message>
        <message>
            <source>Draw some polygons of {}.</source>
            <translation>Desenhe alguns polígonos de {}.</translation>
        </message>
        <message>
            <source>{}; drawing {}</source>
            <translation>{}; desenhando {}</translation>
        </message>
        <message>
            <source>not saved</source>
            <translation>não salvo</translation>
        </message>
        <message>
            <source>Undo: {}</source>
            <translation>Desfazer: {}</translation>
        </message>
        <message>
            <source>Redo: {}</source>
            <translation>Refazer: {}</translation>
        </message>
        <message>
            <source>Click the corners; right or double click ends, Escape drops it.</source>
            <translation>Clique nos vértices; o clique direito ou duplo termina, Esc descarta.</translation>
        </message>
        <message>
            <source>Drag from corner to corner.</source>
            <translation>Arraste de canto a canto.</translation>
        </message>
        <message>
            <source>Hold the button and go around.</source>
            <translation>Mantenha o botão pressionado e percorra o contorno.</translation>
        </message>
        <message>
            <source>Click a pixel, then move the slider; right click takes the region.</source>
            <translation>Clique num pixel, depois mova o controle; o clique direito toma a região.</translation>
        </message>
        <message>
            <source>The polygon cannot be brought into the scene's coordinates.</source>
            <translation>O polígono não pode ser levado às coordenadas da cena.</translation>
        </message>
        <message>
            <source>The polygon is outside the scene and was not added.</source>
            <translation>O polígono está fora da cena e não foi adicionado.</translation>
        </message>
        <message>
            <source>The polygon crossed itself and was mended into {} parts.</source>
            <translation>O polígono cruzava a si mesmo e foi reparado em {} partes.</translation>
        </message>
        <message>
            <source>{}; right click or Add Region takes the region.</source>
            <translation>{}; o clique direito ou Adicionar região toma a região.</translation>
        </message>
        <message>
            <source>There is no region yet: press the tool that grows, then click a pixel.</source>
            <translation>Ainda não há região: ative a ferramenta que expande, depois clique num pixel.</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>Selecione primeiro polígonos.</translation>
        </message>
        <message>
            <source>Delete polygons</source>
            <translation>Excluir polígonos</translation>
        </message>
    </context>
    <context>
        <name>PretrainingSection</name>
        <message>
            <source>2  Pretraining</source>
            <translation>2  Pré-treinamento</translation>
        </message>
        <message>
            <source>Pretraining</source>
            <translation>Pré-treinamento</translation>
        </message>
        <message>
            <source>Quick – a first look</source>
            <translation>Rápido – uma primeira olhada</translation>
        </message>
        <message>
            <source>Balanced – good maps</source>
            <translation>Equilibrado – bons mapas</translation>
        </message>
        <message>
            <source>Paper – as published, needs a GPU</source>
            <translation>Artigo – como publicado, com GPU</translation>
        </message>
        <message>
            <source>How long and how large the model learns</source>
            <translation>Por quanto tempo o modelo aprende, e seu tamanho</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>Automático</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>GPU NVIDIA</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>GPU Apple</translation>
        </message>
        <message>
            <source>Where the engine pretrains, trains and maps; automatic takes a GPU if any</source>
            <translation>Onde o motor pré-treina, treina e mapeia; Automático usa uma GPU se houver</translation>
        </message>
        <message>
            <source>&amp;Preset</source>
            <translation>Predefinição</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>&amp;Dispositivo</translation>
        </message>
        <message>
            <source>P&amp;retrain</source>
            <translation>Pré-&amp;treinar</translation>
        </message>
        <message>
            <source>Take a model that exists, of this scene or one of the same sensor…</source>
            <translation>Tomar um modelo que existe, desta cena ou de uma do mesmo sensor…</translation>
        </message>
        <message>
            <source>The loss of pretraining: it falls fast, then slowly</source>
            <translation>A perda do pré-treinamento: cai depressa, depois devagar</translation>
        </message>
        <message>
            <source>Found the model {} of this scene.</source>
            <translation>Encontrado o modelo {} desta cena.</translation>
        </message>
        <message>
            <source>Pa&amp;use</source>
            <translation>Pausa&amp;r</translation>
        </message>
        <message>
            <source>Stop after the present step; what was learned is kept</source>
            <translation>Parar após o passo atual; o que foi aprendido fica</translation>
        </message>
        <message>
            <source>&amp;Resume</source>
            <translation>Re&amp;tomar</translation>
        </message>
        <message>
            <source>Learn the scene in the background; go on drawing meanwhile</source>
            <translation>Aprender a cena em segundo plano; siga desenhando enquanto isso</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>Espere até a tarefa em execução terminar.</translation>
        </message>
        <message>
            <source>Paused; Resume goes on from the last checkpoint.</source>
            <translation>Em pausa; Retomar continua do último ponto de controle.</translation>
        </message>
        <message>
            <source>Model: {}</source>
            <translation>Modelo: {}</translation>
        </message>
        <message>
            <source>No model yet: press Pretrain.</source>
            <translation>Ainda sem modelo: clique em Pré-treinar.</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>Esperando as bandas do raster.</translation>
        </message>
        <message>
            <source>Pausing: writing a checkpoint…</source>
            <translation>Pausando: escrevendo um ponto de controle…</translation>
        </message>
        <message>
            <source>Taking up the job that went on without QGIS…</source>
            <translation>Retomando a tarefa que continuou sem o QGIS…</translation>
        </message>
        <message>
            <source>Starting the engine…</source>
            <translation>Iniciando o motor…</translation>
        </message>
        <message>
            <source>{} {} of {}</source>
            <translation>{} {} de {}</translation>
        </message>
        <message>
            <source>{} left</source>
            <translation>faltam {}</translation>
        </message>
        <message>
            <source>Choose a Diffusion Model</source>
            <translation>Escolher um modelo de difusão</translation>
        </message>
        <message>
            <source>Diffusion models (*.safetensors)</source>
            <translation>Modelos de difusão (*.safetensors)</translation>
        </message>
        <message>
            <source>{} is not a diffusion model.</source>
            <translation>{} não é um modelo de difusão.</translation>
        </message>
        <message>
            <source>{} was learned on a raster with other bands.</source>
            <translation>{} foi aprendido num raster com outras bandas.</translation>
        </message>
        <message>
            <source>The model is of another scene of the same sensor.</source>
            <translation>O modelo é de outra cena do mesmo sensor.</translation>
        </message>
    </context>
    <context>
        <name>ProgressPage</name>
        <message>
            <source>What the tools said</source>
            <translation>O que as ferramentas disseram</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>Registro</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>O motor está pronto.</translation>
        </message>
        <message>
            <source>Canceled; what was fetched is kept for the next time.</source>
            <translation>Cancelado; o que foi baixado fica para a próxima vez.</translation>
        </message>
        <message>
            <source>It computes on: {}. Open a scene and begin.</source>
            <translation>Calcula em: {}. Abra uma cena e comece.</translation>
        </message>
    </context>
    <context>
        <name>ReferenceClasses</name>
        <message>
            <source>The field of the reference that holds the class</source>
            <translation>O campo da referência que contém a classe</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>Referência</translation>
        </message>
        <message>
            <source>Map</source>
            <translation>Mapa</translation>
        </message>
        <message>
            <source>Which class of the map each class of the reference is</source>
            <translation>Que classe do mapa é cada classe da referência</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>Campo de classe</translation>
        </message>
        <message>
            <source>none: counts as wrong</source>
            <translation>nenhuma: conta como erro</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>deixada de fora</translation>
        </message>
        <message>
            <source>The map's class for {}</source>
            <translation>A classe do mapa para {}</translation>
        </message>
    </context>
    <context>
        <name>Run</name>
        <message>
            <source>The Processing provider of MTMSD is not loaded.</source>
            <translation>O provedor de processamento do MTMSD não está carregado.</translation>
        </message>
        <message>
            <source>The algorithm cannot be started.</source>
            <translation>O algoritmo não pode ser iniciado.</translation>
        </message>
        <message>
            <source>The algorithm failed; see its log.</source>
            <translation>O algoritmo falhou; veja seu registro.</translation>
        </message>
    </context>
    <context>
        <name>SampleProject</name>
        <message>
            <source>The sample cannot be copied: {}</source>
            <translation>O exemplo não pode ser copiado: {}</translation>
        </message>
        <message>
            <source>The sample, as you left it; delete {} to begin anew.</source>
            <translation>O exemplo, como você o deixou; exclua {} para começar de novo.</translation>
        </message>
        <message>
            <source>EnMAP Potsdam</source>
            <translation>EnMAP Potsdam</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>Polígonos de validação</translation>
        </message>
        <message>
            <source>MTMSD sample: EnMAP Potsdam</source>
            <translation>Exemplo do MTMSD: EnMAP Potsdam</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}</source>
            <translation>{path} não pode ser escrito: {reason}</translation>
        </message>
        <message>
            <source>The sample is in {}, with classes and polygons: press Pretrain.</source>
            <translation>O exemplo está em {}, com classes e polígonos: clique em Pré-treinar.</translation>
        </message>
    </context>
    <context>
        <name>SceneSection</name>
        <message>
            <source>1  Scene</source>
            <translation>1  Cena</translation>
        </message>
        <message>
            <source>No scene chosen</source>
            <translation>Nenhuma cena escolhida</translation>
        </message>
        <message>
            <source>The hyperspectral raster to map</source>
            <translation>O raster hiperespectral a mapear</translation>
        </message>
        <message>
            <source>Follow the layer tree: the active raster becomes the scene</source>
            <translation>Seguir a árvore de camadas: o raster ativo passa a ser a cena</translation>
        </message>
        <message>
            <source>Open a raster, its header, a product's METADATA.XML or zip…</source>
            <translation>Abrir um raster, seu cabeçalho, o METADATA.XML ou o zip de um produto…</translation>
        </message>
        <message>
            <source>Open the folder of a satellite product…</source>
            <translation>Abrir a pasta de um produto de satélite…</translation>
        </message>
        <message>
            <source>Mask</source>
            <translation>Máscara</translation>
        </message>
        <message>
            <source>&amp;True Colour</source>
            <translation>&amp;Cor real</translation>
        </message>
        <message>
            <source>Red 650, green 550, blue 470 nm</source>
            <translation>Vermelho 650, verde 550, azul 470 nm</translation>
        </message>
        <message>
            <source>&amp;Infrared</source>
            <translation>Infravermel&amp;ho</translation>
        </message>
        <message>
            <source>Near infrared 860, red 650, green 550 nm</source>
            <translation>Infravermelho próximo 860, vermelho 650, verde 550 nm</translation>
        </message>
        <message>
            <source>&amp;SWIR</source>
            <translation>S&amp;WIR</translation>
        </message>
        <message>
            <source>Short-wave 2200, 1650 and near infrared 860 nm</source>
            <translation>Onda curta 2200, 1650 e infravermelho próximo 860 nm</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>Tamanho</translation>
        </message>
        <message>
            <source>Columns × rows, and the size of a pixel</source>
            <translation>Colunas × linhas, e o tamanho de um pixel</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>Bandas</translation>
        </message>
        <message>
            <source>Bands used, of all in the file</source>
            <translation>Bandas usadas, de todas as do arquivo</translation>
        </message>
        <message>
            <source>Wavelengths</source>
            <translation>Comprimentos de onda</translation>
        </message>
        <message>
            <source>From the first to the last used band</source>
            <translation>Da primeira à última banda usada</translation>
        </message>
        <message>
            <source>Left out</source>
            <translation>De fora</translation>
        </message>
        <message>
            <source>Bands that are not used, and why</source>
            <translation>Bandas que não são usadas, e por quê</translation>
        </message>
        <message>
            <source>No data</source>
            <translation>Sem dados</translation>
        </message>
        <message>
            <source>Share of pixels without data or masked</source>
            <translation>Parcela de pixels sem dados ou mascarados</translation>
        </message>
        <message>
            <source>CRS</source>
            <translation>SRC</translation>
        </message>
        <message>
            <source>Coordinate reference system</source>
            <translation>Sistema de referência de coordenadas</translation>
        </message>
        <message>
            <source>Open a Hyperspectral Raster</source>
            <translation>Abrir um raster hiperespectral</translation>
        </message>
        <message>
            <source>Open the Folder of a Product</source>
            <translation>Abrir a pasta de um produto</translation>
        </message>
        <message>
            <source>Looking for the scene of {}…</source>
            <translation>Procurando a cena de {}…</translation>
        </message>
        <message>
            <source>{} is not a raster that QGIS can read.</source>
            <translation>{} não é um raster que o QGIS possa ler.</translation>
        </message>
        <message>
            <source>Choose a hyperspectral raster, or open one.</source>
            <translation>Escolha um raster hiperespectral, ou abra um.</translation>
        </message>
        <message>
            <source>Looking at the raster…</source>
            <translation>Examinando o raster…</translation>
        </message>
        <message>
            <source>{} px, {} bands used</source>
            <translation>{} px, {} bandas usadas</translation>
        </message>
        <message>
            <source>{:.0f} to {:.0f} nm</source>
            <translation>{:.0f} a {:.0f} nm</translation>
        </message>
        <message>
            <source>not in the file</source>
            <translation>não no arquivo</translation>
        </message>
        <message>
            <source>{} of {}</source>
            <translation>{} de {}</translation>
        </message>
        <message>
            <source>none</source>
            <translation>nenhum</translation>
        </message>
        <message>
            <source>{} px masked</source>
            <translation>{} px mascarados</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>The bands are not known yet.</source>
            <translation>As bandas ainda não são conhecidas.</translation>
        </message>
        <message>
            <source>The raster has no wavelengths.</source>
            <translation>O raster não tem comprimentos de onda.</translation>
        </message>
        <message>
            <source>The raster has no bands near {} nm.</source>
            <translation>O raster não tem bandas perto de {} nm.</translation>
        </message>
    </context>
    <context>
        <name>SectionJob</name>
        <message>
            <source>{}…</source>
            <translation>{}…</translation>
        </message>
    </context>
    <context>
        <name>SetUpDialog</name>
        <message>
            <source>Set Up the MTMSD Engine</source>
            <translation>Instalar o motor MTMSD</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>&amp;Voltar</translation>
        </message>
        <message>
            <source>Choose otherwise: folder, device, source</source>
            <translation>Escolher de outro modo: pasta, dispositivo, fonte</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>C&amp;ancelar</translation>
        </message>
        <message>
            <source>Stop; what was fetched is kept for the next time</source>
            <translation>Parar; o que foi baixado fica para a próxima vez</translation>
        </message>
        <message>
            <source>Begin: now something is fetched and written</source>
            <translation>Começar: agora algo é baixado e escrito</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>&amp;Fechar</translation>
        </message>
        <message>
            <source>Close this window; the set-up goes on and the dock shows it</source>
            <translation>Fechar esta janela; a instalação continua e o painel a mostra</translation>
        </message>
        <message>
            <source>Close this window</source>
            <translation>Fechar esta janela</translation>
        </message>
        <message>
            <source>&amp;Try Again</source>
            <translation>Tentar de &amp;novo</translation>
        </message>
        <message>
            <source>&amp;Use This Python</source>
            <translation>&amp;Usar este Python</translation>
        </message>
        <message>
            <source>&amp;Set Up</source>
            <translation>In&amp;stalar</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>Espere até o motor estar instalado.</translation>
        </message>
        <message>
            <source>Wait: this machine is being looked at.</source>
            <translation>Espere: esta máquina está sendo examinada.</translation>
        </message>
        <message>
            <source>This cannot be set up; the text above says why.</source>
            <translation>Isto não pode ser instalado; o texto acima diz por quê.</translation>
        </message>
    </context>
    <context>
        <name>SpectraImport</name>
        <message>
            <source>Import Spectra…</source>
            <translation>Importar espectros…</translation>
        </message>
        <message>
            <source>Spectra of a library, at the scene's bands and in its units: ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD</source>
            <translation>Espectros de uma biblioteca, nas bandas e unidades da cena: ENVI (.sli), CSV, texto do USGS ou do ECOSTRESS, ASD</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Imported ({}, {} of them train)</source>
            <translation>Importados ({}, {} deles treinam)</translation>
        </message>
        <message>
            <source>Imported ({})</source>
            <translation>Importados ({})</translation>
        </message>
        <message>
            <source>The imported spectra, dashed in the plot; train with them or remove them here</source>
            <translation>Os espectros importados, tracejados no gráfico; aqui se treina com eles ou se removem</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>Remover</translation>
        </message>
        <message>
            <source>Use None for Training</source>
            <translation>Não treinar com nenhum</translation>
        </message>
        <message>
            <source>Remove All</source>
            <translation>Remover todos</translation>
        </message>
        <message>
            <source>Not Used for Training</source>
            <translation>Não usado no treinamento</translation>
        </message>
        <message>
            <source>Train {}</source>
            <translation>Treinar {}</translation>
        </message>
        <message>
            <source>Train a New Class</source>
            <translation>Treinar uma nova classe</translation>
        </message>
        <message>
            <source>{} has no values at {} of the scene's bands, so it cannot train; leave these bands out, then import it again.</source>
            <translation>{} não tem valores em {} das bandas da cena, por isso não pode treinar; deixe essas bandas de fora e importe-o de novo.</translation>
        </message>
        <message>
            <source>The class is gone that these spectra trained: {}.</source>
            <translation>Não existe mais a classe que estes espectros treinavam: {}.</translation>
        </message>
        <message>
            <source>Import Spectra</source>
            <translation>Importar espectros</translation>
        </message>
        <message>
            <source>Spectral libraries</source>
            <translation>Bibliotecas espectrais</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>Todos os arquivos</translation>
        </message>
        <message>
            <source>The engine sees other bands of the scene now; open it again.</source>
            <translation>O motor agora vê outras bandas da cena; abra-a de novo.</translation>
        </message>
        <message>
            <source>{} spectra were imported.</source>
            <translation>{} espectros foram importados.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPins</name>
        <message>
            <source>Pin</source>
            <translation>Fixar</translation>
        </message>
        <message>
            <source>Remove Pins</source>
            <translation>Remover fixados</translation>
        </message>
        <message>
            <source>Export Spectra…</source>
            <translation>Exportar espectros…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Click pixels in the map: their spectra stay in the plot</source>
            <translation>Clique em pixels no mapa: seus espectros ficam no gráfico</translation>
        </message>
        <message>
            <source>There are no pinned spectra.</source>
            <translation>Não há espectros fixados.</translation>
        </message>
        <message>
            <source>Take the pinned spectra out of the plot</source>
            <translation>Tirar do gráfico os espectros fixados</translation>
        </message>
        <message>
            <source>Classes (mean, standard deviation) and pins as CSV, .sli or GeoPackage</source>
            <translation>Classes (média, desvio padrão) e fixados como CSV, .sli ou GeoPackage</translation>
        </message>
        <message>
            <source>There are no spectra yet: draw polygons, or pin pixels.</source>
            <translation>Ainda não há espectros: desenhe polígonos ou fixe pixels.</translation>
        </message>
        <message>
            <source>There is no data at that place.</source>
            <translation>Não há dados nesse lugar.</translation>
        </message>
        <message>
            <source>pin {}</source>
            <translation>fixado {}</translation>
        </message>
        <message>
            <source>Export Spectra</source>
            <translation>Exportar espectros</translation>
        </message>
        <message>
            <source>{} spectra were written to {}.</source>
            <translation>{} espectros foram escritos em {}.</translation>
        </message>
    </context>
    <context>
        <name>SpectraPlot</name>
        <message>
            <source>cursor</source>
            <translation>cursor</translation>
        </message>
        <message>
            <source>As read: values up to {} are no reflectance</source>
            <translation>Como lidos: valores até {} não são reflectância</translation>
        </message>
        <message>
            <source>Reflectance: values ÷ {}</source>
            <translation>Reflectância: valores ÷ {}</translation>
        </message>
        <message>
            <source>Each from its least to its greatest value</source>
            <translation>Cada um do seu menor ao seu maior valor</translation>
        </message>
        <message>
            <source>Continuum removed, none over gaps</source>
            <translation>Contínuo removido, mas não através de lacunas</translation>
        </message>
        <message>
            <source>band {}</source>
            <translation>banda {}</translation>
        </message>
        <message>
            <source>Point at the scene on the map</source>
            <translation>Aponte para a cena no mapa</translation>
        </message>
    </context>
    <context>
        <name>SpectraSection</name>
        <message>
            <source>5  Spectra</source>
            <translation>5  Espectros</translation>
        </message>
        <message>
            <source>Mean and standard deviation of each class; dashed: the pixel at the cursor. The wheel or a drag zooms, a double click goes back</source>
            <translation>Média e desvio padrão de cada classe; tracejado: o pixel sob o cursor. A roda do mouse ou arrastar amplia, o clique duplo volta</translation>
        </message>
        <message>
            <source>Jeffries–Matusita distance of two classes: 0 alike, 2 well apart</source>
            <translation>Distância de Jeffries-Matusita de duas classes: 0 iguais, 2 bem separadas</translation>
        </message>
        <message>
            <source>nm</source>
            <translation>nm</translation>
        </message>
        <message>
            <source>band</source>
            <translation>banda</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>Point at the map; classes appear with their polygons.</source>
            <translation>Aponte para o mapa; as classes aparecem com seus polígonos.</translation>
        </message>
        <message>
            <source>Two classes of 5 pixels or more can be compared.</source>
            <translation>Duas classes de 5 pixels ou mais podem ser comparadas.</translation>
        </message>
        <message>
            <source>Most alike: {} and {} ({} of 2)</source>
            <translation>Mais parecidas: {} e {} ({} de 2)</translation>
        </message>
    </context>
    <context>
        <name>SpectraView</name>
        <message>
            <source>Scale of the plot alone; what is exported stays as read</source>
            <translation>Escala só do gráfico; o que se exporta fica como lido</translation>
        </message>
        <message>
            <source>As read</source>
            <translation>Como lidos</translation>
        </message>
        <message>
            <source>Reflectance, 0 to 1</source>
            <translation>Reflectância, 0 a 1</translation>
        </message>
        <message>
            <source>Min–max of each</source>
            <translation>Mín.–máx. de cada um</translation>
        </message>
        <message>
            <source>Continuum removed</source>
            <translation>Contínuo removido</translation>
        </message>
        <message>
            <source>Scale</source>
            <translation>Escala</translation>
        </message>
    </context>
    <context>
        <name>SpectralAngle</name>
        <message>
            <source>Spectral Angle…</source>
            <translation>Ângulo espectral…</translation>
        </message>
        <message>
            <source>How far each pixel is from the pinned and imported spectra, as a layer</source>
            <translation>Distância de cada pixel aos espectros fixados e importados, como camada</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>Escolha primeiro uma cena.</translation>
        </message>
        <message>
            <source>There are no spectra to measure by: pin pixels, or import spectra.</source>
            <translation>Não há espectros para comparar: fixe pixels ou importe espectros.</translation>
        </message>
        <message>
            <source>The scene has no wavelengths, by which spectra are compared.</source>
            <translation>A cena não tem comprimentos de onda, pelos quais os espectros são comparados.</translation>
        </message>
    </context>
    <context>
        <name>SpeedEstimate</name>
        <message>
            <source>Meas&amp;ure</source>
            <translation>Medi&amp;r</translation>
        </message>
        <message>
            <source>Run a few steps on this machine to learn how long this preset takes</source>
            <translation>Executar alguns passos nesta máquina para saber quanto demora esta predefinição</translation>
        </message>
        <message>
            <source>Measuring on this machine…</source>
            <translation>Medindo nesta máquina…</translation>
        </message>
        <message>
            <source>Takes about {} here</source>
            <translation>Leva aqui uns {}</translation>
        </message>
        <message>
            <source>Time on this machine not measured yet</source>
            <translation>Tempo nesta máquina ainda não medido</translation>
        </message>
        <message>
            <source>Measuring the speed</source>
            <translation>Medindo a velocidade</translation>
        </message>
    </context>
    <context>
        <name>TrainingLayer</name>
        <message>
            <source>Add class</source>
            <translation>Adicionar classe</translation>
        </message>
        <message>
            <source>Rename class</source>
            <translation>Renomear classe</translation>
        </message>
        <message>
            <source>Recolour class</source>
            <translation>Mudar a cor da classe</translation>
        </message>
        <message>
            <source>Load classes</source>
            <translation>Carregar classes</translation>
        </message>
        <message>
            <source>Merge classes</source>
            <translation>Unir classes</translation>
        </message>
        <message>
            <source>Delete classes</source>
            <translation>Excluir classes</translation>
        </message>
        <message>
            <source>Add polygon</source>
            <translation>Adicionar polígono</translation>
        </message>
        <message>
            <source>Change class</source>
            <translation>Mudar classe</translation>
        </message>
        <message>
            <source>Import polygons</source>
            <translation>Importar polígonos</translation>
        </message>
    </context>
    <context>
        <name>TrainingSamples</name>
        <message>
            <source>The pixels cannot be read: {}</source>
            <translation>Os pixels não podem ser lidos: {}</translation>
        </message>
    </context>
    <context>
        <name>Workspace</name>
        <message>
            <source>The training polygons {} are gone; the next class begins a new file.</source>
            <translation>Os polígonos de treinamento {} não existem mais; a próxima classe começa um novo arquivo.</translation>
        </message>
        <message>
            <source>1 training polygon was recovered: it had not been saved.</source>
            <translation>1 polígono de treinamento foi recuperado: não estava salvo.</translation>
        </message>
        <message>
            <source>{} training polygons were recovered: not all had been saved.</source>
            <translation>{} polígonos de treinamento foram recuperados: nem todos estavam salvos.</translation>
        </message>
        <message>
            <source>Training – {}</source>
            <translation>Treinamento – {}</translation>
        </message>
        <message>
            <source>The training polygons {path} were not saved: {reason}</source>
            <translation>Os polígonos de treinamento {path} não foram salvos: {reason}</translation>
        </message>
    </context>
    <context>
        <name>_Line</name>
        <message>
            <source>Stop this job; what it learned up to now is kept</source>
            <translation>Parar esta tarefa; o que ela aprendeu até agora fica</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>C&amp;ancelar</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Cancelar</translation>
        </message>
        <message>
            <source>{} – stopping…</source>
            <translation>{} – parando…</translation>
        </message>
        <message>
            <source>Drag: the map is on the left, the scene on the right</source>
            <translation>Arraste: o mapa fica à esquerda, a cena à direita</translation>
        </message>
    </context>
    <context>
        <name>duration</name>
        <message>
            <source>{} s</source>
            <translation>{} s</translation>
        </message>
        <message>
            <source>{} min</source>
            <translation>{} min</translation>
        </message>
        <message>
            <source>{} h {} min</source>
            <translation>{} h {} min</translation>
        </message>
        <message>
            <source>{} days</source>
            <translation>{} dias</translation>
        </message>
    </context>
</TS>
